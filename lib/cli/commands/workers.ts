import type { AnyModel } from '../../any';
import { serverNow } from '../../server/clock';
import { type WorkerRecord, workers } from '../../side/workers';
import type { Command } from '../context';
import { distance } from '../words';

/** Who works the queues. */
export const workersCommand: Command = async ({ models, out }) => {
  const all = await readAll(models);
  const now = await serverNow(models[0]!);
  const cells = ({ host, pid, models: names, running, concurrency, held, since, beat }: WorkerRecord) => [
    host,
    pid,
    names.join(', '),
    `${running} of ${concurrency}`,
    held,
    distance(since, now),
    distance(beat, now),
  ];
  out.answer(all, () =>
    all.length === 0
      ? 'No worker has given a sign of life in the last minute. Those that pop by hand give none.'
      : out.table(['host', 'pid', 'queues', 'busy', 'held', 'since', 'beat'], all.map(cells), ['pid', 'busy', 'held']),
  );

  return 0;
};

/** A worker of several models is in the list of each of them. */
async function readAll(models: readonly AnyModel[]): Promise<WorkerRecord[]> {
  const all = (await Promise.all(models.map((model) => workers(model)))).flat();

  return [...new Map(all.map((one) => [one.id, one])).values()];
}
