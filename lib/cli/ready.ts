import { mongo } from 'mongoose';
import { definitionOf } from '../definition/definition';
import { State } from '../fields';
import { type Counted, countBounded } from '../inspect/bounded';
import { indexName, liveFilter } from '../indexes/claim-index';
import { workers } from '../side/workers';
import type { Named } from './context';
import { count, time } from './words';

/** Why a task that could be popped was not yet: nobody works the queue, all are busy, others come first. */
export async function explainReady(named: Named, now: Date): Promise<string[]> {
  const { model, task } = named;
  const [all, before] = await Promise.all([workers(model), countBefore(named, now)]);
  const due = task.availableAt ? ` since ${time(task.availableAt, now)}` : '';
  const ready = `It is ready${due}${othersBefore(before)}.`;
  if (all.length === 0)
    return [
      ready,
      `Nobody works ${model.modelName}: no worker has given a sign of life in the last minute (those that pop by hand give none).`,
    ];
  const busy = all.reduce((sum, { running }) => sum + running, 0);
  const slots = all.reduce((sum, { concurrency }) => sum + concurrency, 0);
  const where = [...new Set(all.map(({ host }) => host))].slice(0, 3).join(', ');

  return [
    ready,
    `${count(all.length, 'worker')} (${where}) ${all.length === 1 ? 'works' : 'work'} the queue, with ${busy} of ${slots} slots busy as of the last beat${busy >= slots ? ': more of them would help' : ''}.`,
  ];
}

function othersBefore({ value, more }: Counted): string {
  if (value === 0) return more ? '; how many come before it, the database did not tell in time' : '';

  return `; ${more ? 'more than ' : ''}${count(value, 'task')} ${value === 1 ? 'comes' : 'come'} before it`;
}

/** How many ready tasks come before it in the claim order. */
function countBefore({ model, raw, task }: Named, now: Date): Promise<Counted> {
  const definition = definitionOf(model);
  const { state, priority: path } = definition.options.fields;
  const priority = (raw[path] as unknown) ?? null;
  const created = { ...liveFilter(definition), [state]: State.CREATED };
  const isReady = { $expr: { $lte: ['$_task.availableAt', '$$NOW'] } };
  const higher = { [path]: { $gt: priority ?? new mongo.MinKey() }, ...isReady };
  const earlier = { [path]: priority, '_task.availableAt': { $lt: task.availableAt ?? now } };

  return countBounded(model, { ...created, $or: [higher, earlier] }, indexName(definition, 'claim'));
}
