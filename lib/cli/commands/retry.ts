import { readStored } from '../../inspect/stored';
import { requeueFailed } from '../../push/requeue-many';
import { MAX_DELAY_MS } from '../../values/check';
import { areIds, type BulkOptions, type Chosen, chooseTasks, inParts } from '../bulk';
import { type Command, type Context, refuseFound } from '../context';
import { wholeNumber } from '../options';
import { count } from '../words';

export interface RetryCommandOptions extends BulkOptions {
  readonly delay?: string;
}

/** Queues failed and cancelled tasks again, with attempts from 0. */
export const retryCommand: Command<RetryCommandOptions> = async (context, words, options) => {
  refuseFound(context, 'retry');
  const delayMs = wholeNumber('delay', options.delay ?? '0', 0, MAX_DELAY_MS);
  const which = areIds(words, options) ? options : { ...options, state: options.state ?? 'failed' };
  const chosen = await chooseTasks(context, 'retry', words, which);
  const all: Retried[] = [];
  for (const one of chosen) all.push(await retry(context, one, delayMs));
  const isDone = all.every(({ left }) => left === null);
  context.out.answer(
    all.map(({ model, requeued, skipped, left }) => ({ model, requeued, skipped, ...(left !== null && { left }) })),
    () => all.map(shown).join('\n'),
  );

  return isDone ? 0 : 1;
};

interface Retried {
  readonly model: string;
  readonly requeued: number;
  readonly skipped: number;
  /** Why a task that was named stays as it is. */
  readonly left: string | null;
}

async function retry(context: Context, chosen: Chosen, delayMs: number): Promise<Retried> {
  const { model, areNamed, ids } = chosen;
  const parts = await inParts(context, 'retry', chosen, (some) =>
    requeueFailed(model, { _id: { $in: some } }, { delayMs }),
  );
  const sum = (name: 'requeued' | 'skipped') => parts.reduce((total, part) => total + part[name], 0);
  const requeued = sum('requeued');
  const isLeft = areNamed && requeued === 0;

  return {
    model: model.modelName,
    requeued,
    skipped: sum('skipped'),
    left: isLeft ? await whyLeft(chosen, ids[0]) : null,
  };
}

async function whyLeft({ model }: Chosen, id: unknown): Promise<string> {
  const { state, task } = await readStored(model, id);
  if (state !== 'FAILED' && state !== 'CANCELLED') return `it is ${state}: only FAILED and CANCELLED tasks are retried`;

  return `a live task has its key${typeof task.key === 'string' ? ` ${JSON.stringify(task.key)}` : ''}`;
}

function shown({ model, requeued, skipped, left }: Retried): string {
  if (left !== null) return `${model}: nothing done, ${left}`;

  return `${model}: ${count(requeued, 'task')} queued again${skipped > 0 ? `, ${count(skipped)} left because a live task has their key` : ''}`;
}
