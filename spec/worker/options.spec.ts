import { Schema } from 'mongoose';
import { InvalidOptionError, taskQueue, Worker } from 'mongoose-task-queue';
import { resolveWorkerOptions } from '../../lib/worker/options';
import { useDatabase } from '../support/database';

describe('the options of a worker', () => {
  const database = useDatabase();
  const make = () => ({
    Email: database.connection.model('Email', taskQueue(new Schema({ to: String }))),
    Plain: database.connection.model('Plain', new Schema({ to: String })),
    Runnable: database.connection.model('Runnable', taskQueue(new Schema({}, { methods: { run: () => {} } }))),
  });
  let models: ReturnType<typeof make>;
  beforeAll(() => {
    models = make();
  });
  const handler = () => {};

  it.each([
    [{ concurrency: 0 }, 'concurrency'],
    [{ concurrency: 1_001 }, 'concurrency'],
    [{ concurrency: 1.5 }, 'concurrency'],
    [{ concurrency: '8' }, 'concurrency'],
    [{ prefetch: -1 }, 'prefetch'],
    [{ prefetch: 501 }, 'prefetch'],
    [{ pollMs: 0 }, 'pollMs'],
    [{ pollMs: 2 ** 31 }, 'pollMs'],
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ timeoutMs: true }, 'timeoutMs'],
    [{ timeoutMs: null }, 'timeoutMs'],
    [{ changeStreams: 'no' }, 'changeStreams'],
    [{ logger: {} }, 'logger'],
    [{ logger: () => {} }, 'logger'],
    [{ logger: 'console' }, 'logger'],
    [{ handleSignals: 'SIGTERM' }, 'handleSignals'],
    [{ stopTimeoutMs: -1 }, 'stopTimeoutMs'],
    [{ handler: 'run' }, 'handler'],
    [{ category: 'a' }, 'category: true'],
    [{ populate: 5 }, 'populate'],
    [{ concurency: 8 }, 'Did you mean `concurrency`'],
  ])('%p are refused when the worker is made', (options, named) => {
    const make = () => new Worker(models.Email, { handler, ...options } as never);

    expect(make).toThrow(InvalidOptionError);
    expect(make).toThrow(named);
  });

  it.each([[null], [undefined], [[]], ['Email'], [{}], [{ model: 'Email' }], [{ weight: 2 }], [class Email {}]])(
    '%p is no model to work on',
    (given) => {
      expect(() => new Worker(given as never, { handler })).toThrow(InvalidOptionError);
    },
  );

  it('a misspelt weight is refused', () => {
    const make = () => new Worker([{ model: models.Email, wieght: 2 }], { handler });

    expect(make).toThrow('Did you mean `weight`?');
  });

  it.each([[0], [1_001], [1.5], ['2'], [null]])('a weight of %p is refused', (weight) => {
    const make = () => new Worker([{ model: models.Email, weight: weight as never }], { handler });

    expect(make).toThrow(InvalidOptionError);
    expect(make).toThrow('weight');
  });

  it('a model without the plugin is refused by its name', () => {
    const make = () => new Worker([models.Email, models.Plain] as never, { handler });

    expect(make).toThrow(InvalidOptionError);
    expect(make).toThrow('Plain');
  });

  it('without a handler each model needs a method `run`', () => {
    const make = () => new Worker([models.Runnable, models.Email] as never, {});

    expect(make).toThrow(InvalidOptionError);
    expect(make).toThrow('Email has no method `run`');
    expect(() => new Worker(models.Runnable)).not.toThrow();
  });

  it('have defaults, also where they are undefined', () => {
    const given = Object.fromEntries(
      [
        'concurrency',
        'prefetch',
        'pollMs',
        'timeoutMs',
        'changeStreams',
        'handleSignals',
        'stopTimeoutMs',
        'logger',
      ].map((name) => [name, undefined]),
    );

    expect(resolveWorkerOptions(models.Email, { handler, ...given })).toMatchObject({
      concurrency: 1,
      prefetch: 500,
      pollMs: 1_000,
      timeoutMs: false,
      changeStreams: true,
      handleSignals: false,
      stopTimeoutMs: 30_000,
      logger: null,
    });
  });

  it('are left alone, and may be frozen', () => {
    const options = Object.freeze({ handler, concurrency: 2 });
    const given = Object.freeze([Object.freeze({ model: models.Email, weight: 2 })]);

    expect(() => new Worker(given, options)).not.toThrow();
  });

  it('may be those of console as a logger', () => {
    expect(() => new Worker(models.Email, { handler, logger: console })).not.toThrow();
  });
});
