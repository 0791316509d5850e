import { collectionOf, type Definition } from '../definition/definition';
import { ofSharedIndex } from '../definition/kind';
import { LIVE_STATES, State } from '../fields';
import { answered } from '../server/time-limit';
import { type Bookkeeping, MAX_FAILURES } from '../task/handle';
import { keyText } from './key-index';

interface OfKey {
  _id: NonNullable<Bookkeeping['key']>;
  /** The ids of the tasks, first the one that keeps the key. */
  ids: unknown[];
}

/**
 * Leaves one live task of each key, so that the unique index can be created: several could be pushed while it was missing. A held task
 * keeps the key, else the task that was due first. The others become FAILED with the reason in `failures`; if they are held, their work
 * goes on and they only lose the key. Ended tasks no longer keep a key taken: a live one may have it by now.
 */
export async function settleDuplicates(definition: Definition): Promise<void> {
  const { model, options, writeConcern } = definition;
  const { state } = options.fields;
  const duplicates = await readDuplicates(definition);
  const statements = duplicates.flatMap(({ _id: key, ids: [, ...ids] }) => {
    const others = { _id: { $in: ids as never[] }, '_task.key': key };
    return [
      { updateMany: { filter: { ...others, [state]: State.CREATED }, update: failing(definition, key) } },
      { updateMany: { filter: { ...others, [state]: State.RUNNING }, update: letGo } },
    ];
  });

  const settled = { '_task.throttledUntil': { $exists: true }, [state]: { $nin: [...LIVE_STATES] } };
  const closeWindows = {
    updateMany: { filter: settled, update: { $unset: { '_task.throttledUntil': true as const } } },
  };

  await answered(collectionOf(model).bulkWrite([...statements, closeWindows], { ordered: false, ...writeConcern }));
}

async function readDuplicates(definition: Definition): Promise<OfKey[]> {
  const { model, options } = definition;
  const { state } = options.fields;
  const live = { [state]: { $in: [...LIVE_STATES] }, ...ofSharedIndex(definition) };

  return answered(
    collectionOf(model)
      .aggregate<OfKey>(
        [
          { $match: { ...live, '_task.key': { $exists: true } } },
          // Sorted by name, RUNNING comes after CREATED: held tasks are first.
          { $sort: { [state]: -1, '_task.dueAt': 1, _id: 1 } },
          { $group: { _id: '$_task.key', ids: { $push: '$_id' } } },
          { $match: { 'ids.1': { $exists: true } } },
        ],
        { readPreference: 'primary', allowDiskUse: true },
      )
      .toArray(),
  );
}

function failing({ options }: Definition, key: OfKey['_id']): object[] {
  const message = `Another live task has the key ${JSON.stringify(keyText(key))}: this one was pushed while the index of keys was missing.`;
  const failure = { message, at: '$$NOW', attempt: { $ifNull: ['$_task.attempts', 0] } };

  return [
    {
      $set: {
        [options.fields.state]: State.FAILED,
        '_task.settledAt': '$$NOW',
        '_task.expiresFrom': '$$NOW',
        '_task.availableAt': '$_task.dueAt',
        '_task.errors': {
          $slice: [{ $concatArrays: [{ $ifNull: ['$_task.errors', []] }, [failure]] }, -MAX_FAILURES],
        },
      },
    },
    { $unset: ['_task.token', '_task.schedule', '_task.waitingOn', '_task.recheckAt'] },
  ];
}

/** Takes key and schedule from a held task: the task that keeps the key goes on recurring. */
const letGo = [{ $set: { '_task.expiresFrom': '$$NOW' } }, { $unset: ['_task.key', '_task.schedule'] }];
