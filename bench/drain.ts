import { popOne } from './claim';
import { atConcurrency, type Comparison } from './harness';
import { claim, finish, rawQueue } from './raw';
import type { Setting } from './setting';
import { insertCopies, layouts, nativeOf, recreate, taskModel } from './tasks';

const CALLERS = 32;
const OPERATIONS = 10_000;

/** Loops that take a task and finish it, until none is left. */
export async function drain({ connection, database }: Setting): Promise<Comparison[]> {
  const Task = taskModel(connection);
  const { ready } = await layouts(Task);
  const raw = database.collection('raw');

  return [
    {
      title: `claim and finish, ${CALLERS} loops`,
      operations: OPERATIONS,
      metric: 'perSecond',
      baseline: rawQueue(raw, ready, CALLERS, async () => finish(raw, (await claim(raw))['_id'])),
      contenders: [
        {
          name: 'pop(), finish()',
          async prepare(count) {
            await recreate(Task);
            await insertCopies(nativeOf(Task), ready, count);
          },
          run: (count) => atConcurrency(CALLERS, count, async () => (await popOne(Task)).finish()),
        },
      ],
    },
  ];
}
