import { State } from '../fields';
import type { TaskAction } from '../inspect/target';
import { MAX_DELAY_MS } from '../values/check';
import {
  type ActionIn,
  areIds,
  type BulkOptions,
  carryOut,
  type Done,
  type Plan,
  planMatching,
  planNamed,
} from './bulk';
import { type Command, type Context, refuseFound } from './context';
import { stateNamed, wholeNumber } from './options';
import { UsageError } from './terminal';
import { count } from './words';

/** Queues failed and cancelled tasks again, with attempts from 0; a task that is put off runs now. */
export const retryCommand: Command<BulkOptions & { readonly delay?: string }> = async (context, words, options) => {
  refuseFound(context, 'retry');
  const delayMs = wholeNumber('delay', options.delay ?? '0', 0, MAX_DELAY_MS);
  const { state = 'failed' } = options;
  const plans = areIds(words, options)
    ? await planNamed(context, words, 'retry', retryOf)
    : await planMatching(context, words, { ...options, state }, 'retry', retryIn(state));

  return carryOutAll(context, plans, { delayMs });
};

/** Ends tasks; those that run may still be finished for some seconds. */
export const cancelCommand: Command<BulkOptions & { readonly reason?: string }> = async (context, words, options) => {
  refuseFound(context, 'cancel');
  if (words.length === 0 && options.state === undefined)
    throw new UsageError('Say which tasks: `cancel <id>`, or `cancel --state ready to:ada@example.org --yes`.');
  const plans = areIds(words, options)
    ? await planNamed(context, words, 'cancel', cancelOf)
    : await planMatching(context, words, options, 'cancel', 'cancel');

  return carryOutAll(context, plans, options.reason === undefined ? {} : { reason: options.reason });
};

const retryOf: ActionIn = (state, isDelayed) => {
  if (state === State.FAILED) return 'retry';
  if (state === State.CANCELLED) return 'requeue';

  return state === State.CREATED && isDelayed ? 'run' : null;
};

const cancelOf: ActionIn = (state) => (state === State.CREATED || state === State.RUNNING ? 'cancel' : null);

function retryIn(text: string): TaskAction {
  switch (stateNamed(text)) {
    case State.FAILED:
      return 'retry';
    case State.CANCELLED:
    case State.FINISHED:
      return 'requeue';
    case 'delayed':
      return 'run';
    default:
      throw new UsageError(
        `Tasks that are ${text} are not retried. Write --state failed, cancelled, finished or delayed.`,
      );
  }
}

async function carryOutAll(
  context: Context,
  plans: readonly Plan[],
  options: { readonly reason?: string; readonly delayMs?: number },
): Promise<number> {
  const all: Done[] = [];
  for (const plan of plans) all.push(await carryOut(context, plan, options));
  context.out.answer(all, () => (all.length === 0 ? 'No task matches.' : all.map(shown).join('\n')));

  return all.some(({ done, skipped }) => done === 0 && skipped.length > 0) ? 1 : 0;
}

const DONE: Readonly<Partial<Record<TaskAction, string>>> = {
  retry: 'queued again',
  requeue: 'queued again',
  run: 'made ready',
  cancel: 'cancelled, or to be cancelled by who runs them',
};

function shown({ model, action, done, skipped }: Done): string {
  const left = skipped.slice(0, 10).map(({ label, reason }) => `\n  left: ${label}, ${reason}`);

  return `${model}: ${count(done, 'task')} ${DONE[action]}${left.join('')}`;
}
