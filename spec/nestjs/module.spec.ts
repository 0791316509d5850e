import { type INestApplicationContext, Injectable, Module } from '@nestjs/common';
import { getModelToken, InjectModel, Prop, Schema as NestSchema, SchemaFactory } from '@nestjs/mongoose';
import { type TaskContext, type TaskDocument, type TaskModel, taskQueue, type Worker } from 'mongoose-task-queue';
import {
  InjectWorker,
  OnTask,
  Processor,
  TaskQueueModule,
  TaskQueueWorkers,
  workerToken,
} from 'mongoose-task-queue/nestjs';
import { drain } from 'mongoose-task-queue/testing';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { type NestParts, startNest } from '../support/nest';

@NestSchema()
class Email {
  @Prop({ required: true }) to!: string;
  @Prop() receipt?: string;
}
const models = [
  {
    name: Email.name,
    schema: taskQueue(SchemaFactory.createForClass(Email), { class: Email, backoff: () => 600_000 }),
  },
];
type Task = TaskDocument<Email>;

@Injectable()
class Mailer {
  readonly signals: AbortSignal[] = [];

  send(to: string, signal: AbortSignal): string {
    if (to === 'nobody') throw new Error('no such mailbox');
    this.signals.push(signal);
    return `sent to ${to}`;
  }
}

@Injectable()
class Signup {
  constructor(@InjectModel(Email.name) private readonly emails: TaskModel<Email>) {}

  welcome(to: string) {
    return this.emails.push({ to });
  }
}

@Processor(Email.name, { concurrency: 4 })
class EmailProcessor {
  readonly told: string[] = [];

  constructor(private readonly mailer: Mailer) {}

  process(email: Task, { signal }: TaskContext): void {
    email.receipt = this.mailer.send(email.to, signal);
  }

  @OnTask('finished')
  onFinished(email: Task): void {
    this.told.push(`finished ${email.to}`);
  }

  @OnTask('retried')
  onRetried(email: Task, error: unknown): void {
    this.told.push(`retried ${email.to}: ${(error as Error).message}`);
  }
}

describe('TaskQueueModule', () => {
  const database = useDatabase();
  let app: INestApplicationContext | undefined;

  const start = async (parts: Partial<NestParts>) => {
    app = await startNest({ uri: database.uri, models, providers: [Mailer, EmailProcessor, Signup], ...parts });
    return app;
  };
  const stored = (to: string) => database.connection.collection('emails').findOne({ to });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.connection.dropDatabase();
  });

  it('gives tasks to the processor of their model, and saves what it changed', async () => {
    const { get } = bound(await start({}));
    await get(Signup).welcome('ada');

    await eventually(async () =>
      expect(await stored('ada')).toMatchObject({ state: 'FINISHED', receipt: 'sent to ada' }),
    );
    expect(get(Mailer).signals).toEqual([expect.any(AbortSignal)]);
  });

  it('calls methods of the processor with events of its worker', async () => {
    const { get } = bound(await start({}));
    await get(Signup).welcome('nobody');
    await get(Signup).welcome('ada');

    await eventually(() =>
      expect(get(EmailProcessor).told.toSorted()).toEqual(['finished ada', 'retried nobody: no such mailbox']),
    );
  });

  it('injects the worker of a processor, also in what the processor needs itself', async () => {
    @Injectable()
    class Switch {
      constructor(@InjectWorker(Email) readonly worker: Worker) {}
    }
    @Processor(Email)
    class Switched {
      constructor(readonly theSwitch: Switch) {}
      process(): void {}
    }
    const { get } = bound(
      await start({ providers: [Switch, Switched], imports: [TaskQueueModule.forFeature([Email.name])] }),
    );
    const { worker } = get(Switch);
    expect(worker.status().state).toBe('running');

    await worker.stop();

    expect(worker.listenerCount('failed')).toBe(0);
    expect(get(TaskQueueWorkers).get(Email).status().state).toBe('stopped');
    expect(app!.get<Worker>(workerToken('Email')).status().state).toBe('stopped');
  });

  it('says that an injected worker is used too early', async () => {
    @Injectable()
    class Hasty {
      constructor(@InjectWorker(Email) worker: Worker) {
        worker.on('failed', () => {});
      }
    }
    const parts = { providers: [Hasty, Mailer, EmailProcessor], imports: [TaskQueueModule.forFeature([Email])] };

    await expect(start(parts)).rejects.toThrow(/Use them from `onModuleInit\(\)`/);
  });

  it('takes options from other providers', async () => {
    @Injectable()
    class Config {
      readonly autoStart = false;
    }
    @Module({ providers: [Config], exports: [Config] })
    class ConfigModule {}
    const async = TaskQueueModule.forRootAsync({
      imports: [ConfigModule],
      inject: [Config],
      useFactory: ({ autoStart }: Config) => ({ autoStart, logger: false }),
    });

    const { get } = bound(await start({ options: null, imports: [async] }));

    expect(get(TaskQueueWorkers).get(Email).status().state).toBe('stopped');
  });

  it('has the handler of a processor, for tests that drain a queue', async () => {
    const { get } = bound(await start({ options: { autoStart: false } }));
    await get(Signup).welcome('ada');

    const model = app!.get<TaskModel<Email>>(getModelToken(Email.name));
    const counts = await drain(model, { handler: get(TaskQueueWorkers).handler(Email) as () => unknown });

    expect(counts).toMatchObject({ finished: 1 });
    expect(await stored('ada')).toMatchObject({ receipt: 'sent to ada' });
  });
});

function bound(app: INestApplicationContext) {
  return { get: <T>(type: new (...parameters: never[]) => T): T => app.get<T>(type) };
}
