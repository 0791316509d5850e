/** Asks before an action is carried out: on how many tasks, and with what. Then shows how far it has come. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Action, Matched, Target } from '../../api';
import { useModel } from '../about';
import { tell } from '../client';
import { actOn, type Outcome, targetOf, told, type VerbName, VERBS } from '../verbs';
import { number, upTo } from '../words';
import { Dialog } from './dialog';
import { Notice } from './notice';
import { Text } from './text';
import { Outcomes, Progress } from './outcome';

interface Props {
  action: VerbName;
  on: Omit<Target, 'action'>;
  /** What is acted on, where it is not tasks that are counted. */
  subject?: string | undefined;
  /** Called with true once something may have changed. */
  onClose: (changed: boolean) => void;
}

let ask: (asked: Props) => void = () => {};

/** Opens the dialog. It stays until it is closed, whatever becomes of the rows and buttons that it was opened from. */
export function askFor(asked: Props): void {
  ask(asked);
}

/** The place of the dialog, in the page once. */
export function ActDialogs() {
  const [asked, setAsked] = useState<Props>();
  ask = setAsked;
  const onClose = (changed: boolean) => {
    setAsked(undefined);
    asked?.onClose(changed);
  };

  return asked ? <ActDialog {...asked} onClose={onClose} /> : null;
}

function ActDialog({ action, on, subject, onClose }: Props) {
  const verb = VERBS[action];
  const target = { action: action as Action, ...targetOf(on) };
  const matched = useMatched(target, subject !== undefined);
  const categories = useModel(on.model)?.categories ?? [];
  const [given, setGiven] = useState('');
  const [category, setCategory] = useState('');
  const [soFar, setSoFar] = useState<Outcome>();
  const [phase, setPhase] = useState<'asking' | 'busy' | 'done'>('asking');
  const [error, setError] = useState<string>();
  const stopped = useRef(false);
  const close = () => {
    stopped.current = true;
    onClose(phase !== 'asking');
  };
  const start = async () => {
    setPhase('busy');
    setError(undefined);
    try {
      const act = { ...target, ...parameter(verb.asks, given), ...(category && { category }) };
      setSoFar(await actOn(act, setSoFar, () => stopped.current));
      setPhase('done');
    } catch (reason) {
      setError((reason as Error).message);
      setPhase('asking');
    }
  };
  const failure = error ?? matched.error;
  const many = matched.count && howMany(matched.count);
  const title = `${verb.label} ${subject ?? (many ? `${many} ${many === '1' ? 'task' : 'tasks'}` : '…')}${phase === 'done' ? '' : '?'}`;

  return (
    <Dialog title={title} onClose={close}>
      {failure && (
        <Notice tone="bad">
          <Text of={failure} />
        </Notice>
      )}
      {phase === 'asking' && (
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            void start();
          }}
        >
          <p>{verb.explained}</p>
          {matched.count?.more && <p>{uncounted(matched.count)}</p>}
          {verb.ofQueue && categories.length > 0 && <Categories all={categories} onChange={setCategory} />}
          {verb.asks === 'reason' && (
            <Field label="Reason (optional)" hint="Kept with what is written down." onInput={setGiven} />
          )}
          {verb.asks === 'delay' && (
            <Field label="Start after (seconds)" hint="0: at once." number onInput={setGiven} />
          )}
          <footer>
            <button type="button" onClick={close}>
              Keep as it is
            </button>
            <button
              type="submit"
              class={verb.danger ? 'danger' : 'primary'}
              disabled={subject === undefined && !(matched.count?.matched || matched.count?.more)}
            >
              {verb.label} {subject === undefined && many}
            </button>
          </footer>
        </form>
      )}
      {phase === 'busy' && <Progress soFar={soFar} of={matched.count} onStop={() => (stopped.current = true)} />}
      {phase === 'done' && soFar && (
        <Outcomes text={subject ? `${subject} ${verb.done}` : told(verb, soFar)} outcome={soFar} onClose={close} />
      )}
    </Dialog>
  );
}

/** How many tasks are meant, counted before anything is done. */
function useMatched(target: Target, known: boolean): { count?: Matched; error?: string } {
  const [answer, setAnswer] = useState<{ count?: Matched; error?: string }>({});
  useEffect(() => {
    if (known) return;
    tell<Matched>('count', target).then(
      (count) => setAnswer({ count }),
      (error: unknown) => setAnswer({ error: (error as Error).message }),
    );
  }, []);

  return answer;
}

function howMany({ matched, more }: Matched): string {
  return matched === 0 && more ? 'all matching' : upTo(matched, more);
}

function uncounted({ matched }: Matched): string {
  return matched === 0
    ? 'Counting them took too long: all that match are meant.'
    : `Counting stopped at ${number(matched)}: there are more, and all are meant.`;
}

function parameter(asks: 'reason' | 'delay' | undefined, given: string): object {
  if (asks === 'reason' && given.trim()) return { reason: given.trim() };
  if (asks === 'delay' && Number(given) > 0) return { delayMs: Math.round(Number(given) * 1_000) };

  return {};
}

function Categories({ all, onChange }: { all: readonly string[]; onChange: (category: string) => void }) {
  return (
    <label class="field">
      What
      <select onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        <option value="">the whole queue</option>
        {all.map((category) => (
          <option key={category} value={category}>
            category {category}
          </option>
        ))}
      </select>
    </label>
  );
}

function Field(props: { label: string; hint: string; number?: boolean; onInput: (value: string) => void }) {
  return (
    <label class="field">
      {props.label}
      <input
        data-first
        {...(props.number ? { type: 'number', min: 0, step: 1, placeholder: '0' } : { type: 'text', maxLength: 500 })}
        onInput={({ currentTarget }) => props.onInput(currentTarget.value)}
      />
      <small class="muted">{props.hint}</small>
    </label>
  );
}
