import type { Definition } from '../definition/definition';
import { State } from '../fields';
import { claimOrder, indexName, liveFilter } from './claim-index';
import type { TaskIndex } from './existing';
import { expiryIndexes } from './expiry';
import { keyIndex } from './key-index';

/** The indexes a queue needs. A document that was never pushed is in none of them. */
export function taskIndexes(definition: Definition): TaskIndex[] {
  const { options, kind, kindOnly } = definition;
  const claims = [claimIndex(definition)];
  if (options.category) claims.push(categoryIndex(definition));
  if (kind && !kindOnly) return claims;

  return [...claims, keyIndex(definition), endedIndex(definition), ...expiryIndexes(definition)];
}

/** Indexes that find parked and failed tasks: by the documents they wait for, by their re-check, by the documents that failed them. */
export function waitingIndexes({ options }: Definition): TaskIndex[] {
  const order = { [options.fields.priority]: -1, '_task.dueAt': 1 };

  return [
    partialOn('waiting', '_task.waitingOn', order),
    partialOn('recheck', '_task.recheckAt', {}),
    partialOn('doomed', '_task.doomedBy', {}),
  ];
}

function partialOn(role: string, field: string, order: Record<string, number>): TaskIndex {
  return {
    name: `task_${role}`,
    key: { [field]: 1, ...order },
    partialFilterExpression: { [field]: { $exists: true } },
  };
}

function claimIndex(definition: Definition): TaskIndex {
  return {
    name: indexName(definition, 'claim'),
    key: claimOrder(definition),
    partialFilterExpression: liveFilter(definition),
  };
}

function categoryIndex(definition: Definition): TaskIndex {
  return {
    name: indexName(definition, 'category'),
    key: { [definition.options.fields.category]: 1, ...claimOrder(definition) },
    partialFilterExpression: liveFilter(definition),
  };
}

// Small, since it has no finished task: it lists and counts those that an operator may want to see.
function endedIndex(definition: Definition): TaskIndex {
  const { state } = definition.options.fields;

  return {
    name: indexName(definition, 'ended'),
    key: { [state]: 1, '_task.settledAt': -1 },
    partialFilterExpression: { ...liveFilter(definition), [state]: { $in: [State.FAILED, State.CANCELLED] } },
  };
}
