import { stats } from '../stats';
import { workers } from '../side/workers';
import type { Command } from './context';
import { count, counted, duration } from './words';

const HEAD = [
  'queue',
  'ready',
  'oldest',
  'running',
  'delayed',
  'blocked',
  'failed',
  'cancelled',
  'done/h',
  'failed/h',
  'workers',
  '',
];

/** How many tasks each queue has, and in which states. */
export const statsCommand: Command = async ({ models, out }) => {
  const all = await Promise.all(
    models.map(async (model) => ({
      model: model.modelName,
      ...(await stats(model)),
      workers: (await workers(model)).length,
    })),
  );
  out.answer(all, () =>
    out.table(
      HEAD,
      all.map((one) => [
        one.model,
        count(one.ready),
        one.oldestReadyAgeMs === null ? '' : duration(one.oldestReadyAgeMs),
        count(one.running),
        count(one.delayed),
        count(one.blocked),
        one.failed > 0 ? out.paint.red(counted(one.failed)) : '0',
        counted(one.cancelled),
        count(one.finishedLastHour),
        count(one.failedLastHour),
        one.workers === 0 && one.ready > 0 ? out.paint.yellow('0') : count(one.workers),
        one.paused ? out.paint.yellow('paused') : '',
      ]),
      HEAD.slice(1, -1),
    ),
  );

  return 0;
};
