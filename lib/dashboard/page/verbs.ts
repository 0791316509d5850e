/** The actions as the page offers them, and how they are carried out. */
import type { Act, Acted, Action, Target } from '../api';
import { tell } from './client';
import { number } from './words';

export interface Verb {
  readonly label: string;
  /** As in "12 tasks …". */
  readonly done: string;
  readonly explained: string;
  readonly danger?: boolean;
  /** What the dialog asks for beside a yes. */
  readonly asks?: 'reason' | 'delay';
  /** Done without a dialog where it is one task: nothing is lost by it. */
  readonly direct?: boolean;
  /** Of a whole queue or one of its categories, not of tasks. */
  readonly ofQueue?: boolean;
}

export const VERBS: Record<Exclude<Action, 'view' | 'edit'>, Verb> = {
  retry: {
    label: 'Retry',
    done: 'queued again',
    explained: 'Failed tasks are queued again, with all their attempts before them.',
    asks: 'delay',
  },
  cancel: {
    label: 'Cancel',
    done: 'cancelled',
    explained: 'Waiting tasks are cancelled at once. Workers that have one in hand are told to stop.',
    danger: true,
    asks: 'reason',
  },
  requeue: {
    label: 'Requeue',
    done: 'queued again',
    explained: 'Tasks that have ended are queued again, as new ones.',
    asks: 'delay',
  },
  delete: {
    label: 'Delete',
    done: 'deleted',
    explained: 'The documents are removed from the database. Running tasks are left alone. This cannot be undone.',
    danger: true,
  },
  run: { label: 'Run now', done: 'made due', explained: 'Delayed tasks become due now.', direct: true },
  pause: {
    label: 'Pause',
    done: 'paused',
    explained: 'Workers claim nothing of this queue until it is resumed. What they have in hand goes on.',
    asks: 'reason',
    ofQueue: true,
  },
  resume: {
    label: 'Resume',
    done: 'resumed',
    explained: 'Workers claim tasks of this queue again.',
    direct: true,
    ofQueue: true,
  },
  unschedule: {
    label: 'End schedule',
    done: 'ended',
    explained: 'The next run is the last one: nothing is scheduled after it.',
    danger: true,
  },
};

export type VerbName = keyof typeof VERBS;

/** Those that are offered for several tasks at once. */
export const BULK = ['retry', 'requeue', 'run', 'cancel', 'delete'] as const;

export type Outcome = Pick<Acted, 'done' | 'skipped'>;

const PART = 500;
/** The server takes no larger part. */
const LARGEST_PART = 10_000;

/** Acts on all that is meant, part by part; `told` hears how far it has come. Ends when `stopped` says so. */
export async function actOn(
  act: Act,
  told: (soFar: Outcome) => void = () => {},
  stopped: () => boolean = () => false,
): Promise<Outcome> {
  const all: { done: number; skipped: Acted['skipped'] } = { done: 0, skipped: [] };
  let limit = PART;
  for (;;) {
    const { done, skipped, more } = await tell<Acted>('act', act.ids ? act : { ...act, limit });
    all.done += done;
    // Those that were skipped still match, and come again.
    all.skipped = [...new Map([...all.skipped, ...skipped].map((one) => [one.id, one])).values()];
    told(all);
    if (!more || stopped() || (done === 0 && limit === LARGEST_PART)) return all;
    // Where all of a part was skipped, only a larger one reaches those behind it.
    if (done === 0) limit = Math.min(LARGEST_PART, limit * 4);
  }
}

/** With a state, tasks that have left it since they were shown are not meant: a failed one that was retried meanwhile is not deleted. */
export function targetOf({ model, ids, state, q }: Omit<Target, 'action'>): Omit<Target, 'action'> {
  return { model, ...(ids && { ids }), ...(state !== undefined && { state }), ...(q && { q }) };
}

export function told(verb: Verb, { done, skipped }: Outcome): string {
  const what = `${number(done)} ${done === 1 ? 'task' : 'tasks'} ${verb.done}`;

  return skipped.length > 0 ? `${what}, ${number(skipped.length)} skipped` : what;
}
