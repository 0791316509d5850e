import { type INestApplicationContext } from '@nestjs/common';
import { getConnectionToken, getModelToken } from '@nestjs/mongoose';
import { type Connection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { Processor, TaskQueueHealth, TaskQueueWorkers } from 'mongoose-task-queue/nestjs';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { startNest } from '../support/nest';

interface Pausable {
  pause(): Promise<unknown>;
  resume(): Promise<unknown>;
}

@Processor('Email')
class Emails {
  process(): void {}
}
@Processor('Report', { autoStart: false })
class Reports {
  process(): void {}
}

describe('TaskQueueHealth', () => {
  const database = useDatabase();
  let app: INestApplicationContext;
  const check = () => app.get(TaskQueueHealth).check();

  beforeEach(async () => {
    const models = ['Email', 'Report'].map((name) => ({ name, schema: taskQueue(new Schema({ to: String })) }));
    app = await startNest({ uri: database.uri, models, providers: [Emails, Reports] });
  });
  afterEach(() => app.close());

  it('is up while the workers that start by themselves run', async () => {
    expect(await check()).toEqual({
      status: 'up',
      workers: {
        Email: { state: 'running', held: 0, connected: true },
        Report: { state: 'stopped', held: 0, connected: true },
      },
    });
  });

  it('is up while a queue is paused', async () => {
    const Email = app.get<Pausable>(getModelToken('Email'));
    await Email.pause();

    await eventually(async () => expect((await check()).workers.Email!.state).toBe('paused'));
    expect((await check()).status).toBe('up');
    await Email.resume();
  });

  it('is down when such a worker does not run', async () => {
    await app.get(TaskQueueWorkers).get('Email').stop();

    expect(await check()).toMatchObject({ status: 'down', workers: { Email: { state: 'stopped' } } });
  });

  it('is down when a connection is lost', async () => {
    await app.get<Connection>(getConnectionToken()).close();

    expect(await check()).toMatchObject({ status: 'down', workers: { Report: { connected: false } } });
  });
});
