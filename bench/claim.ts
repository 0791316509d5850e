import { pop, type ModelOf } from 'mongoose-task-queue';
import { atConcurrency, type Comparison } from './harness';
import { claim as claimRaw, rawQueue } from './raw';
import type { Setting } from './setting';
import { insertCopies, layouts, nativeOf, recreate, taskModel } from './tasks';

/** One `pop()` against one `findOneAndUpdate` of the plain driver: same documents, each with the index that fits its query. */
export async function claim({ connection, database }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  const raw = database.collection('raw');

  const compared = (callers: number, operations: number, target: number, cpu: number): Comparison => ({
    title: `claim, ${callers} at once`,
    operations,
    metric: 'perSecond',
    target,
    baseline: rawQueue(raw, ready, callers, () => claimRaw(raw)),
    contenders: [
      {
        name: 'pop()',
        cpu,
        async prepare(count) {
          await recreate(Task);
          await insertCopies(nativeOf(Task), ready, count);
        },
        run: (count) => atConcurrency(callers, count, () => popOne(Task)),
      },
    ],
  });

  return [compared(1, 4_000, 0.75, 1.4), compared(32, 10_000, 1, 0.24)];
}

export async function popOne<Doc>(model: ModelOf<Doc>): Promise<Doc> {
  const task = await pop(model);
  if (!task) throw new Error('The queue is empty too early.');

  return task;
}
