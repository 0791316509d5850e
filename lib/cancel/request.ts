import { type ClientSession, Types } from 'mongoose';
import { collectionOf, type Definition, type Filter, type RawDocument } from '../definition/definition';
import { State } from '../fields';
import { leniently } from '../server/read';
import { NO_TOKEN } from '../task/bookkeeping';
import { OF_LIVE, openRequest, plainKey, requestOf } from '../task/cancellation';

/** A task as it was read: an `_id`, a state and a token never name another run or another push of it. */
export interface AsRead {
  readonly _id: unknown;
  readonly state: string;
  readonly token: Types.ObjectId | undefined;
}

/** The condition for a token as it was read; one of another type counts as none. */
export function tokenAsRead(token: AsRead['token']): object {
  return token ? { $eq: token } : NO_TOKEN;
}

/**
 * The update that cancels live tasks. One that nobody holds, or whose lease is over, is CANCELLED, with a new token, so that a late holder
 * is refused. A held one gets a request: its lease is cut, and it does not recur any more. The first request stays.
 */
export function cancelUpdate({ options, updatedAt }: Definition, reason: string | undefined): object[] {
  const { state } = options.fields;
  const isHeld = { $and: [{ $eq: [`$${state}`, State.RUNNING] }, { $gt: ['$_task.availableAt', '$$NOW'] }] };
  const ifHeld = (then: unknown, otherwise: unknown) => ({ $cond: [isHeld, then, otherwise] });
  const cut = { $min: ['$_task.availableAt', { $add: ['$$NOW', options.cancelGraceMs] }] };

  return [
    {
      $set: {
        [state]: ifHeld(State.RUNNING, State.CANCELLED),
        '_task.cancel': { $cond: [openRequest, '$_task.cancel', requestOf(reason)] },
        '_task.availableAt': ifHeld(cut, '$_task.dueAt'),
        '_task.token': ifHeld('$_task.token', new Types.ObjectId()),
        '_task.settledAt': ifHeld('$_task.settledAt', {
          $max: ['$$NOW', { $cond: [openRequest, '$_task.cancel.at', null] }],
        }),
        '_task.expiresFrom': { $cond: [{ $gt: ['$_task.schedule', null] }, '$$NOW', '$_task.expiresFrom'] },
        '_task.key': ifHeld('$_task.key', plainKey),
        ...(updatedAt && { [updatedAt.path]: updatedAt.now() }),
      },
    },
    { $unset: OF_LIVE },
  ];
}

/**
 * Cancels one task if it is still as it was read. Resolves to the task as it is then, or to null. It is sent once: whether a write whose
 * answer was lost is to be sent again, only who looks at the task can say.
 */
export async function cancelStored(
  definition: Definition,
  { _id, state, token }: AsRead,
  reason: string | undefined,
  session: ClientSession | null,
): Promise<RawDocument | null> {
  const { model, options, writeConcern } = definition;
  const filter: Filter = { _id, [options.fields.state]: state, '_task.token': tokenAsRead(token) };

  const how = {
    projection: { [options.fields.state]: 1, _task: 1 },
    returnDocument: 'after',
    hint: { _id: 1 },
    // In a transaction the commit has it.
    ...(!session?.inTransaction() && writeConcern),
    ...(session && { session }),
  } as const;

  // One whose answer cannot be read is CANCELLED, or has the request: the second look finds it changed.
  return leniently(model, (read) =>
    collectionOf(model).findOneAndUpdate(filter, cancelUpdate(definition, reason), { ...how, ...read }),
  );
}
