import { mongo } from 'mongoose';
import { type AnyModel, type Definition, definitionOf, type Filter, type RawDocument } from '../definition/definition';
import { ofKind } from '../definition/kind';
import { State } from '../fields';
import { claimOrder, indexName, liveFilter } from '../indexes/claim-index';
import { connected, serverNow } from '../server/clock';
import { NEVER } from '../values/check';
import { aggregateBounded, countExactly, readBounded } from './bounded';
import { MAX_COUNT } from './limits';

const HOUR_MS = 3_600_000;
/** So many priorities are looked at for the oldest ready task, the highest first. */
const MAX_PRIORITIES = 10;

/** The figures of a queue, each counted up to 10 000. */
export interface Figures {
  readonly created: number;
  readonly running: number;
  readonly ready: number;
  readonly delayed: number;
  readonly blocked: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly failedLastHour: number;
  readonly oldestReadyAgeMs: number | null;
}

/**
 * Counts tasks like `stats()`, but never more than 10 000 of a kind, whatever there is. All of it is served by the queue's indexes; where one
 * is missing it rejects.
 */
export async function figuresOf(model: AnyModel): Promise<Figures> {
  await connected(model);
  const definition = definitionOf(model);
  const now = await serverNow(model);
  const { state } = definition.options.fields;
  const ended = (query: Filter) => countExactly(model, query, indexName(definition, 'ended'));
  const own = ofKind(definition.kind);
  const [due, later, never, failed, cancelled, recent, oldest] = await Promise.all([
    countIn(definition, { $lte: now }),
    countIn(definition, { $gt: now, $lt: NEVER }),
    countIn(definition, { $gte: NEVER }),
    ended({ [state]: State.FAILED, ...own }),
    ended({ [state]: State.CANCELLED, ...own }),
    ended({ [state]: State.FAILED, ...own, '_task.settledAt': { $gt: new Date(now.getTime() - HOUR_MS) } }),
    oldestReady(definition, now),
  ]);

  return {
    created: Math.min(MAX_COUNT, due.created + later.created + never.created),
    running: Math.min(MAX_COUNT, due.running + later.running + never.running),
    ready: Math.min(MAX_COUNT, due.created),
    delayed: Math.min(MAX_COUNT, later.created + never.created - never.blocked),
    blocked: Math.min(MAX_COUNT, never.blocked),
    failed: failed.value,
    cancelled: cancelled.value,
    failedLastHour: recent.value,
    oldestReadyAgeMs: oldest && Math.max(0, now.getTime() - oldest.getTime()),
  };
}

interface Part {
  created: number;
  running: number;
  blocked: number;
}

/** Counts live tasks by when they can be claimed: a range of the claim index for each priority. */
async function countIn(definition: Definition, availableAt: object): Promise<Part> {
  const { model, options } = definition;
  const { state } = options.fields;
  const isCreated = { $eq: [`$${state}`, State.CREATED] };
  const isBlocked = { $and: [isCreated, { $gt: ['$_task.waitingOn', null] }] };
  const count = (condition: object) => ({ $sum: { $cond: [condition, 1, 0] } });
  const [found] = await aggregateBounded(
    model,
    [
      { $match: inClaimOrder(definition, availableAt) },
      { $limit: MAX_COUNT + 1 },
      {
        $group: {
          _id: null,
          created: count(isCreated),
          running: count({ $not: isCreated }),
          blocked: count(isBlocked),
        },
      },
    ],
    { hint: indexName(definition, 'claim') },
  );

  return (found as Part | undefined) ?? { created: 0, running: 0, blocked: 0 };
}

function inClaimOrder(definition: Definition, availableAt: object, priority: object = ANY_PRIORITY): Filter {
  const { fields } = definition.options;

  return { ...liveFilter(definition), [fields.priority]: priority, '_task.availableAt': availableAt };
}

const ANY_PRIORITY = { $gte: new mongo.MinKey() };

// Another program may have written a list of times.
const hasTime = { $expr: { $eq: [{ $type: '$_task.availableAt' }, 'date'] } };

// Within a priority the claim index has the oldest first, so each priority costs one document.
async function oldestReady(definition: Definition, now: Date): Promise<Date | null> {
  const { model, options } = definition;
  const { state, priority } = options.fields;
  let oldest: Date | null = null;
  let below: object = ANY_PRIORITY;
  for (let step = 0; step < MAX_PRIORITIES; step++) {
    const [found]: RawDocument[] = await readBounded(model, {
      filter: { ...inClaimOrder(definition, { $lte: now }, below), [state]: State.CREATED, ...hasTime },
      projection: { [priority]: 1, '_task.availableAt': 1 },
      sort: claimOrder(definition),
      limit: 1,
      hint: indexName(definition, 'claim'),
    });
    if (!found) break;
    const { availableAt } = found['_task'] as { availableAt: Date };
    if (!oldest || availableAt < oldest) oldest = availableAt;
    if (typeof found[priority] !== 'number') break;
    below = { $lt: found[priority] };
  }

  return oldest;
}
