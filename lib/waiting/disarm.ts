import { collectionOf, type Filter, type RawDocument } from '../definition/definition';
import type { Watch } from '../dependencies/targets';
import { groupBy, inParts } from '../values/group';
import { keyOf } from '../values/id';
import { writePastLocked } from './bounded-write';

/** At most this many documents with different tokens are disarmed by one statement: the server compares each with all of its tokens. */
const PART = 100;

/** From this many documents with one token on, a statement of their own is cheaper. */
const WORTH_A_STATEMENT = 4;

/** Removes `_task.armed`, and then `_task`, if nothing is left in them. */
const tidied = {
  _task: {
    $cond: [
      { $eq: ['$_task', { armed: {} }] },
      '$$REMOVE',
      {
        $setField: {
          field: 'armed',
          input: '$_task',
          value: { $cond: [{ $eq: ['$_task.armed', {}] }, '$$REMOVE', '$_task.armed'] },
        },
      },
    ],
  },
};

// Removes a mark only if it has the token that was read: a newer one has watchers that this pass did not see. Each document is compared
// with its own token, never a list of documents with a list of tokens.
export async function disarm(watch: Watch, changed: readonly RawDocument[]): Promise<void> {
  const tokens = new Map(changed.map((document) => [document._id as unknown, tokenIn(document, watch)]));
  // A mark that a fail-over brings back only makes a pass look once more.
  await writePastLocked(watch.model, { writeConcern: { w: 1 } }, [...tokens.keys()], (some, bounds) =>
    collectionOf(watch.model).bulkWrite(disarmings(watch, some, tokens), { ordered: false, ...bounds }),
  );
}

function disarmings({ mark }: Watch, ids: readonly unknown[], tokens: ReadonlyMap<unknown, unknown>) {
  const armed = `_task.armed.${mark}`;
  const groups = groupBy(ids, (id) => keyOf(tokens.get(id)));
  const alike = [...groups.values()].filter(({ length }) => length >= WORTH_A_STATEMENT);
  const others = [...groups.values()].filter(({ length }) => length < WORTH_A_STATEMENT).flat();
  const statement = (_id: readonly unknown[], isAsRead: Filter) => ({
    updateMany: {
      filter: { _id: { $in: _id as never[] }, ...isAsRead },
      update: [{ $unset: armed }, { $set: tidied }],
      hint: '_id_',
    },
  });
  const isOneOf = (some: readonly unknown[]) => ({
    $expr: {
      $in: [{ id: '$_id', token: `$${armed}` }, { $literal: some.map((id) => ({ id, token: tokens.get(id) })) }],
    },
  });

  return [
    ...alike.map((group) => statement(group, { [armed]: tokens.get(group[0]) })),
    ...inParts(others, PART).map((part) => statement(part, isOneOf(part))),
  ];
}

function tokenIn(document: RawDocument, { mark }: Watch): unknown {
  return (document['_task'] as { armed?: Record<string, unknown> }).armed?.[mark];
}
