/** How far an action on many tasks has come, and what came of it. */
import type { Matched } from '../../api';
import type { Outcome } from '../verbs';
import { number } from '../words';
import { Icon } from './icon';
import { Text } from './text';

interface ProgressProps {
  soFar: Outcome | undefined;
  of: Matched | undefined;
  onStop: () => void;
}

export function Progress({ soFar, of, onStop }: ProgressProps) {
  const done = (soFar?.done ?? 0) + (soFar?.skipped.length ?? 0);

  return (
    <div class="stack">
      <label class="field">
        {number(done)} done
        <progress {...(of && !of.more && { max: Math.max(of.matched, 1), value: done })} />
      </label>
      <footer>
        <button type="button" onClick={onStop}>
          Stop after this part
        </button>
      </footer>
    </div>
  );
}

export function Outcomes({ text, outcome, onClose }: { text: string; outcome: Outcome; onClose: () => void }) {
  return (
    <div class="stack">
      <p role="status" class="outcome">
        <Icon name={outcome.done > 0 ? 'good' : 'alert'} /> {text}.
      </p>
      {outcome.skipped.length > 0 && (
        <ul class="skipped">
          {outcome.skipped.slice(0, 50).map(({ id, label, reason }) => (
            <li key={id}>
              <code>{label}</code> <Text of={reason} />
            </li>
          ))}
          {outcome.skipped.length > 50 && <li class="muted">and {number(outcome.skipped.length - 50)} more</li>}
        </ul>
      )}
      <footer>
        <button type="button" class="primary" data-first onClick={onClose}>
          Done
        </button>
      </footer>
    </div>
  );
}
