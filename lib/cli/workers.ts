import { crewRows } from '../inspect/crew';
import type { WorkerRow } from '../inspect/answers';
import { serverNow } from '../server/clock';
import { type WorkerRecord, workers } from '../side/workers';
import { type Command, type Context, viewOf } from './context';
import { distance } from './words';
import { plainId } from './list';

const HEAD = ['host', 'pid', 'queues', 'busy', 'held', 'since', 'beat', 'holds'];
/** At most so many of the tasks of a worker are named. */
const MAX_NAMED = 3;

type Row = WorkerRecord & Pick<WorkerRow, 'tasks'>;

/** Who works the queues, and what they hold. */
export const workersCommand: Command = async (context) => {
  const { models, out } = context;
  const all = await readAll(context);
  const now = await serverNow(models[0]!);
  const cells = ({ host, pid, models: names, running, concurrency, held, since, beat, tasks }: Row) => [
    host,
    pid,
    names.join(', '),
    `${running} of ${concurrency}`,
    held,
    distance(since, now),
    distance(beat, now),
    holds(tasks, now),
  ];
  out.answer(all, () =>
    all.length === 0
      ? 'No worker has given a sign of life in the last minute. Those that pop by hand give none.'
      : out.table(HEAD, all.map(cells), ['pid', 'busy', 'held']),
  );

  return 0;
};

/** A worker of several models is in the list of each of them. */
async function readAll(context: Context): Promise<Row[]> {
  const all = (await Promise.all(context.models.map((model) => workers(model)))).flat();
  const tasks = new Map((await crewRows(viewOf(context))).map((one) => [one.id, one.tasks]));

  return [...new Map(all.map((one) => [one.id, { ...one, tasks: tasks.get(one.id) ?? [] }])).values()];
}

function holds(tasks: Row['tasks'], now: Date): string {
  const named = tasks
    .slice(0, MAX_NAMED)
    .map(({ model, id, since }) => `${model} ${plainId(id)} (${distance(since, now)})`);

  return `${named.join(', ')}${tasks.length > MAX_NAMED ? ', …' : ''}`;
}
