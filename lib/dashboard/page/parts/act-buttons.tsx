/** Buttons for the actions that are allowed; what may lose something asks first. */
import { useState } from 'preact/hooks';
import type { Target } from '../../api';
import { useModel } from '../about';
import { actOn, targetOf, type VerbName, VERBS } from '../verbs';
import { askFor } from './act-dialog';
import { say } from './toast';

interface Props {
  actions: readonly VerbName[];
  on: Omit<Target, 'action'>;
  /** What it is called in the dialog; without it the tasks are counted. */
  subject?: string | undefined;
  small?: boolean;
  onDone: () => void;
}

export function ActButtons({ actions, on, subject, small = false, onDone }: Props) {
  const hasCategories = (useModel(on.model)?.categories ?? []).length > 0;
  const [busy, setBusy] = useState(false);
  const start = async (action: VerbName) => {
    const { direct, ofQueue } = VERBS[action];
    if (!direct || subject === undefined || (ofQueue && hasCategories))
      return askFor({ action, on, subject, onClose: (changed) => changed && onDone() });
    setBusy(true);
    try {
      const { done, skipped } = await actOn({ action, ...targetOf(on) });
      if (done > 0) say(`${subject} ${VERBS[action].done}.`);
      else say(skipped[0]?.reason ?? 'Nothing changed: it is no longer as it was shown.', { bad: true });
    } catch (error) {
      say((error as Error).message, { bad: true });
    }
    setBusy(false);
    onDone();
  };

  return (
    <>
      {actions.map((action) => (
        <button
          type="button"
          key={action}
          class={`${VERBS[action].danger ? 'danger-quiet' : ''}${small ? ' small' : ''}`}
          disabled={busy}
          aria-label={small && subject ? `${VERBS[action].label} ${subject}` : undefined}
          onClick={() => void start(action)}
        >
          {VERBS[action].label}
        </button>
      ))}
    </>
  );
}
