import type { Types } from 'mongoose';
import { atConcurrency, type Comparison } from './harness';
import { finish, rawQueue } from './raw';
import type { Setting } from './setting';
import { insertCopies, layouts, nativeOf, recreate, taskModel, type HydratedTask } from './tasks';

const CALLERS = 32;
const OPERATIONS = 10_000;
const MOST_AT_ONCE = 1_000;

/** `finish()` of tasks that are held, against an `updateOne` by `_id` that asks nobody. */
export async function settle({ connection, database }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  const raw = database.collection('raw');
  const plain = rawQueue(raw, { ...ready, state: 'RUNNING' }, CALLERS, (index) => finish(raw, ids[index]!));
  let ids: Types.ObjectId[] = [];
  let tasks: HydratedTask[] = [];

  return [
    {
      title: `finish, ${CALLERS} at once`,
      operations: OPERATIONS,
      metric: 'perSecond',
      baseline: {
        ...plain,
        async prepare(count) {
          await plain.prepare(count);
          ids = await raw
            .find<{ _id: Types.ObjectId }>({}, { projection: { _id: 1 } })
            .map(({ _id }) => _id)
            .toArray();
        },
      },
      contenders: [
        {
          name: 'finish()',
          cpu: 0.22,
          async prepare(count) {
            await recreate(Task);
            await insertCopies(nativeOf(Task), ready, count);
            tasks = [];
            while (tasks.length < count) tasks.push(...(await Task.popMany(MOST_AT_ONCE)));
          },
          run: (count) => atConcurrency(CALLERS, count, (index) => tasks[index]!.finish()),
        },
      ],
    },
  ];
}
