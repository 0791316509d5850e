import { mongo, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { giveBackLater } from '../lib/claim/give-back';
import { heldBy } from '../lib/task/held';
import { definitionOf } from '../lib/definition/definition';
import { tryLater } from '../lib/server/retry-later';
import { useDatabase } from './support/database';
import { eventually } from './support/eventually';
import { nativeOf, stored } from './support/raw';

const serverError = (code: number) => new mongo.MongoServerError({ message: `Error ${code}`, code });

describe('what is tried later', () => {
  /** An operation that throws these, one after the other, before it succeeds. */
  const failing = (...errors: Error[]) => {
    const operation = jest.fn(() => (errors.length > 0 ? Promise.reject(errors.shift()!) : Promise.resolve()));
    tryLater(operation, 60_000);
    return operation;
  };

  it.each([
    ['a write conflict', serverError(112)],
    ['a locked document', serverError(50)],
    ['a server out of reach', new mongo.MongoNetworkError('connection closed')],
  ])('is tried again after %s', async (_what, error) => {
    const operation = failing(error);

    await eventually(() => expect(operation).toHaveBeenCalledTimes(2));
  });

  it('is not tried again when the server will refuse it again', async () => {
    const [refused, other] = [failing(serverError(13)), failing(serverError(50))];

    await eventually(() => expect(other).toHaveBeenCalledTimes(2));
    expect(refused).toHaveBeenCalledTimes(1);
  });

  it('is not tried after its time', async () => {
    const operation = jest.fn(() => Promise.reject(serverError(50)));
    tryLater(operation, 0);
    const other = failing(serverError(50));

    await eventually(() => expect(other).toHaveBeenCalledTimes(2));
    expect(operation).not.toHaveBeenCalled();
  });
});

describe('a claim that is given back', () => {
  const database = useDatabase();

  it('is free again long before its lease ends, also after many write conflicts', async () => {
    const schema = taskQueue(new Schema({ to: String }), { leaseMs: 3_600_000 });
    const Email = database.connection.model('Email', schema);
    await Email.push({ to: 'a' });
    const { _id } = (await Email.pop())!;
    const { token } = (await stored(Email, _id))['_task'];
    const update = jest.spyOn(nativeOf(Email), 'updateMany');
    // More than are tried at once.
    for (let tries = 0; tries < 7; tries++) update.mockRejectedValueOnce(serverError(112));

    giveBackLater(definitionOf(Email as never), heldBy(definitionOf(Email as never), token, [_id]));

    expect((await eventually(async () => (await Email.pop()) ?? Promise.reject(new Error('still held'))))._id).toEqual(
      _id,
    );
    expect((await stored(Email, _id))['_task'].attempts).toBe(1);
    update.mockRestore();
  });
});
