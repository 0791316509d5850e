import { type INestApplicationContext, type LoggerService } from '@nestjs/common';
import { getModelToken } from '@nestjs/mongoose';
import { type Model, Schema } from 'mongoose';
import { IndexConflictError, type TaskContext, taskQueue } from 'mongoose-task-queue';
import { Processor, TaskQueueHealth, type TaskQueueModuleOptions, TaskQueueWorkers } from 'mongoose-task-queue/nestjs';
import { useDatabase } from '../support/database';
import { type Deferred, deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { startNest } from '../support/nest';

interface Fields {
  to?: string | null;
}
interface Queue extends Model<Fields> {
  push(input: Fields[]): Promise<unknown>;
}

let running: Deferred<TaskContext>;
let ended: Deferred<void>;

@Processor('Email')
class Emails {
  async process(_email: Fields, context: TaskContext): Promise<void> {
    running.resolve(context);
    await ended.promise;
  }
}

describe('workers', () => {
  const database = useDatabase();
  const open: INestApplicationContext[] = [];

  const start = async (options: TaskQueueModuleOptions = {}, processor: new () => unknown = Emails) => {
    const models = [{ name: 'Email', schema: taskQueue(new Schema({ to: String })) }];
    const app = await startNest({ uri: database.uri, models, providers: [processor], options });
    open.push(app);
    return {
      app,
      Email: app.get<Queue>(getModelToken('Email')),
      workers: app.get(TaskQueueWorkers),
      health: app.get(TaskQueueHealth),
    };
  };
  const stored = () =>
    database.connection
      .collection('emails')
      .find({}, { sort: { _id: 1 } })
      .toArray();

  beforeEach(() => {
    running = deferred();
    ended = deferred();
  });
  afterEach(async () => {
    ended.resolve();
    for (const app of open.splice(0)) await app.close();
    await database.connection.dropDatabase();
  });

  it('claim no more when the application closes, and end what they have before its connection does', async () => {
    const { app, Email, workers } = await start();
    await Email.push([{ to: 'first' }, { to: 'second' }]);
    const { signal } = await running.promise;

    const closed = app.close();
    await eventually(() => expect(workers.get('Email').status().state).toBe('stopping'));
    expect(Email.db.readyState).toBe(1);
    ended.resolve();
    await closed;

    expect(signal.aborted).toBe(false);
    expect(Email.db.readyState).toBe(0);
    expect((await stored()).map(({ state }) => state as string)).toEqual(['FINISHED', 'CREATED']);
  });

  it('give back what does not end in time', async () => {
    const { app, Email } = await start({ stopTimeoutMs: 50 });
    await Email.push([{ to: 'slow' }]);
    const { signal } = await running.promise;

    await app.close();

    expect(signal.aborted).toBe(true);
    expect(await stored()).toMatchObject([{ state: 'CREATED', _task: { attempts: 0 } }]);
  });

  it('wait to be started where they do not start by themselves', async () => {
    const { Email, workers } = await start({ autoStart: false });
    await Email.push([{ to: 'ada' }]);
    expect(workers.get('Email').status()).toEqual({ state: 'stopped', held: [] });

    ended.resolve();
    await workers.start();

    await eventually(async () => expect(await stored()).toMatchObject([{ state: 'FINISHED' }]));
    await workers.stop();
    expect(workers.get('Email').status().state).toBe('stopped');
  });

  it('have the options of the processor before those of the module', async () => {
    @Processor('Email', { autoStart: true, concurrency: undefined })
    class Own extends Emails {}
    const { Email, workers } = await start({ autoStart: false, concurrency: 2 }, Own);
    await Email.push([{ to: 'a' }, { to: 'b' }, { to: 'c' }]);

    await eventually(() => expect(workers.get(Email).status().held.length).toBeGreaterThanOrEqual(2));
  });

  it('keep the application from starting when one cannot become ready', async () => {
    await database.connection.collection('emails').createIndex({ to: 1 }, { name: 'task_claim' });

    await expect(start()).rejects.toThrow(IndexConflictError);
  });

  it('say that a model has no processor', async () => {
    const { workers } = await start();

    expect(() => workers.get('Report')).toThrow(/No processor is for the model "Report"\. Known are: Email\./);
  });

  it('write their lines with the logger of the application, under the name of the processor', async () => {
    const lines: unknown[][] = [];
    const level =
      (name: string) =>
      (...values: unknown[]) =>
        void lines.push([name, ...values]);
    const logger: LoggerService = {
      log: level('log'),
      error: level('error'),
      warn: level('warn'),
      debug: level('debug'),
    };
    const { app, Email } = await start({ logger: undefined });
    app.useLogger(logger);
    await Email.push([{ to: 'ada' }]);
    await running.promise;
    ended.reject(new Error('no such mailbox'));

    await eventually(() => expect(lines.map(([name]) => name)).toEqual(expect.arrayContaining(['debug', 'warn'])));
    const about = `Email ${String((await stored())[0]!._id)}, attempt 1`;
    expect(lines).toContainEqual(['debug', `task started: ${about}`, 'Emails']);
    expect(lines).toContainEqual(['warn', `task retried: ${about}: Error: no such mailbox`, 'Emails']);
    app.useLogger(false);
  });

  it('log by a logger of its own signature where one is given', async () => {
    const warn = jest.fn();
    const quiet = () => {};
    const { Email } = await start({ logger: { debug: quiet, info: quiet, error: quiet, warn } });
    await Email.push([{ to: 'ada' }]);
    await running.promise;
    ended.reject(new Error('no such mailbox'));

    await eventually(() =>
      expect(warn).toHaveBeenCalledWith(expect.objectContaining({ model: 'Email' }), 'task retried'),
    );
  });
});
