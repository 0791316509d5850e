import mongoose, { Schema } from 'mongoose';
import * as first from '../lib';
import { useDatabase } from './support/database';

describe('a second copy of the package beside one Mongoose', () => {
  const database = useDatabase();
  let second: typeof first;

  beforeAll(() => {
    jest.isolateModules(() => {
      jest.doMock('mongoose', () => mongoose);
      second = require('../lib') as typeof first;
    });
    jest.dontMock('mongoose');
  });

  it('refuses the models of the first, says why, and takes no task', async () => {
    const Job = database.connection.model('Job', first.taskQueue(new Schema({ n: Number })));
    const job = await Job.push({ n: 1 });
    const ways: Record<string, () => unknown> = {
      pop: () => second.pop(Job),
      popMany: () => second.popMany(Job, 2),
      queue: () => second.queue(Job).next(),
      push: () => second.push(job),
      'push of input': () => second.push(Job, { n: 2 }),
      finish: () => second.finish(job),
      stats: () => second.stats(Job),
      ensureTaskIndexes: () => second.ensureTaskIndexes(Job),
      Worker: () => new second.Worker(Job, { handler: () => {} }),
    };

    for (const [name, way] of Object.entries(ways)) {
      const outcome: unknown = await (async () => way())().catch((error: unknown) => error);
      expect({ name, error: outcome }).toMatchObject({ error: { name: 'InvalidOptionError' } });
      expect((outcome as Error).message).toContain('loaded twice');
    }
    expect(await Job.stats()).toMatchObject({ created: 1, running: 0 });
  });

  it('refuses a schema that has the plugin of the first', () => {
    const schema = first.taskQueue(new Schema({ n: Number }));

    expect(() => second.taskQueue(schema)).toThrow('loaded twice');
  });

  it('has models of its own', async () => {
    const Job = database.connection.model('Own', second.taskQueue(new Schema({ n: Number })));
    await Job.push({ n: 1 });

    await (await Job.pop())!.finish();

    expect(await Job.stats()).toMatchObject({ created: 0, running: 0 });
  });
});

describe('a plugin that is applied after the model was compiled', () => {
  const database = useDatabase();

  it('has the functions refuse the model, and changes nothing', async () => {
    const schema = new Schema({ n: Number });
    const Job = database.connection.model('Late', schema);
    first.taskQueue(schema);
    await Job.collection.insertOne({ n: 1, state: 'CREATED' });
    const stored = (await Job.findOne())!;
    const ways: Record<string, () => unknown> = {
      'push of input': () => first.push(Job, { n: 2 } as never),
      push: () => first.push(new Job({ n: 3 })),
      pop: () => first.pop(Job),
      popMany: () => first.popMany(Job, 2),
      isEmpty: () => first.isEmpty(Job),
      queue: () => first.queue(Job).next(),
      finish: () => first.finish(stored),
      retry: () => first.retry(stored),
      renew: () => first.renew(stored),
      stats: () => first.stats(Job),
      blocked: () => first.blocked(Job),
      Worker: () => new first.Worker(Job as never, { handler: () => {} }),
    };

    for (const [name, way] of Object.entries(ways)) {
      const outcome: unknown = await (async () => way())().catch((error: unknown) => error);
      expect({ name, error: outcome }).toMatchObject({ error: { name: 'InvalidOptionError' } });
      expect((outcome as Error).message).toContain('after the model was compiled');
    }
    expect(await Job.collection.countDocuments({})).toBe(1);
  });

  it('holds for the models that are made of the schema afterwards', async () => {
    const schema = new Schema({ n: Number });
    database.connection.model('Before', schema, 'lates');
    first.taskQueue(schema);
    const After = database.connection.model('After', schema, 'lates') as never;

    await first.push(After, { n: 1 } as never);

    expect(await first.pop(After)).toMatchObject({ n: 1, state: 'RUNNING' });
  });
});
