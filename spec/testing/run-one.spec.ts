import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { crash, expectPushed, runOne } from '../../lib/testing';
import { useDatabase } from '../support/database';

const database = useDatabase();
const makeEmail = () =>
  database.connection.model(
    'Email',
    taskQueue(new Schema({ to: String, sent: Boolean }), { maxAttempts: 2, backoff: () => 60_000 }),
  );
let Email: ReturnType<typeof makeEmail>;

beforeAll(() => {
  Email = makeEmail();
});
beforeEach(() => Email.deleteMany({}));

describe('runOne', () => {
  it('pops this very task, runs it and finishes it with its changes', async () => {
    await Email.push({ to: 'first' });
    const second = await Email.push({ to: 'second' });

    const { task, outcome, error } = await runOne(second, (email) => void (email.sent = true));

    expect([outcome, error, task.attempts]).toEqual(['finished', undefined, 1]);
    expect(await Email.findById(second._id)).toMatchObject({ state: 'FINISHED', sent: true });
    expect(await Email.stats()).toMatchObject({ ready: 1 });
  });

  it('retries what fails, and fails it at its last attempt', async () => {
    const email = await Email.push({ to: 'ada' });
    const fail = () => Promise.reject(new Error('no such mailbox'));

    expect(await runOne(email, fail)).toMatchObject({ outcome: 'retried', error: new Error('no such mailbox') });
    await Email.updateOne({}, { $set: { '_task.availableAt': new Date(0) } }, { strict: false });
    expect(await runOne(email, fail)).toMatchObject({ outcome: 'failed' });
  });

  it('leaves a task as its handler settled it', async () => {
    expect(await runOne(await Email.push({ to: 'ada' }), (email) => email.release())).toMatchObject({
      outcome: 'released',
    });
  });

  it('says why a task is not ready', async () => {
    const later = await Email.push({ to: 'later' }, { delayMs: 60_000 });
    const done = await (await Email.push({ to: 'done' })).finish();
    const paused = await Email.push({ to: 'paused' });

    await expect(runOne(later, () => {})).rejects.toThrow(/Expected Email \w+ to be ready for `runOne\(\)`, but .*due/);
    await expect(runOne(done, () => {})).rejects.toThrow('but it is FINISHED');
    await Email.pause();
    await expect(runOne(paused, () => {})).rejects.toThrow('paused');
    await Email.resume();
    await Email.deleteMany({});
    await expect(runOne(paused, () => {})).rejects.toThrow('it is not stored');
  });
});

describe('crash', () => {
  it('hands the task to the next pop, and refuses the dead holder', async () => {
    await Email.push({ to: 'ada' });
    const dead = (await Email.pop())!;

    await crash(dead);

    expect(await Email.pop()).toMatchObject({ attempts: 2 });
    await expect(dead.finish()).rejects.toMatchObject({ name: 'LeaseLostError' });
  });

  it('refuses a document that holds nothing', async () => {
    await expect(crash(await Email.push({ to: 'ada' }))).rejects.toThrow('to be held by this document');
  });
});

describe('expectPushed', () => {
  it('resolves to the newest task that matches, whatever its state', async () => {
    await Email.push([{ to: 'ada' }, { to: 'bob' }, { to: 'ada', sent: true }]);
    await (await Email.pop())?.finish();

    expect(await expectPushed(Email, { to: 'ada' })).toMatchObject({ to: 'ada', sent: true });
    expect(await expectPushed(Email)).toMatchObject({ sent: true });
  });

  it('says what was pushed instead', async () => {
    await expect(expectPushed(Email, { to: 'eve' })).rejects.toThrow(
      "Expected a task of Email that matches { to: 'eve' } to be pushed, but none of Email was.",
    );
    await Email.create({ to: 'eve' });
    await Email.push({ to: 'ada' });

    await expect(expectPushed(Email, { to: 'eve' })).rejects.toThrow(/The newest that were:\n {2}{.*to: 'ada'/);
  });

  it('refuses a filter that does not fit the schema', async () => {
    await expect(expectPushed(Email, { too: 'ada' } as never)).rejects.toMatchObject({ name: 'InvalidOptionError' });
  });
});
