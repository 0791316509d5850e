import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { handleOf, shareHandle } from '../../lib/task/handle';
import { useDatabase } from '../support/database';

describe('the handle of a document', () => {
  const database = useDatabase();

  it('is seen by nobody, and not copied', async () => {
    const Email = database.connection.model('Email', taskQueue(new Schema({ to: String })));
    const email = await Email.push({ to: 'ada@example.org' });
    const keys = Reflect.ownKeys(Email.hydrate(email.toObject()));

    const handle = handleOf(email);

    expect(handle.stored.dueAt).toBeInstanceOf(Date);
    expect(new Set(Reflect.ownKeys(email))).toEqual(new Set([...keys, ...Reflect.ownKeys(new Email())]));
    expect(handleOf(Object.assign(Object.create(Object.getPrototypeOf(email) as object) as object, email))).not.toBe(
      handle,
    );
    expect(handleOf(email.$clone())).not.toBe(handle);
  });

  it.each([
    ['plain', (): object => ({})],
    ['frozen', (): object => Object.freeze({})],
  ])('stays the same for a %s object, until it is given that of another', (_, make) => {
    const one = make();
    const other = make();
    const handle = handleOf(one);

    expect(handleOf(one)).toBe(handle);
    expect(handleOf(other)).not.toBe(handle);
    shareHandle(one, other);
    expect(handleOf(other)).toBe(handle);
  });
});
