import { type INestApplicationContext, Inject, Injectable, type Provider, Scope } from '@nestjs/common';
import { getModelToken, type ModelDefinition } from '@nestjs/mongoose';
import { REQUEST } from '@nestjs/core';
import { type AnyKeys, type Model, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { OnTask, Process, Processor } from 'mongoose-task-queue/nestjs';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { startNest } from '../support/nest';

interface Fields {
  _id: unknown;
  to?: string | null;
  kind?: string | null;
  category?: string | null;
}
interface Queue extends Model<Fields> {
  push(input: AnyKeys<Fields>[]): Promise<unknown>;
}

describe('a processor', () => {
  const database = useDatabase();
  let app: INestApplicationContext | undefined;
  let told: string[] = [];

  const note = (method: string) => (task: Fields) => void told.push(`${method} ${task.to}`);
  const models = (): ModelDefinition[] => {
    const kind = (name: string) => ({ name, schema: new Schema({}) });
    const schema = taskQueue(new Schema({ to: String }, { discriminatorKey: 'kind' }), { category: true });
    return [{ name: 'Message', schema, discriminators: [kind('Sms'), kind('Letter')] }];
  };
  const start = async (...providers: Provider[]) => {
    app = await startNest({ uri: database.uri, models: models(), providers });
    return app.get<Queue>(getModelToken('Message'));
  };
  const messages: AnyKeys<Fields>[] = [
    { to: 'plain' },
    { to: 'sms', kind: 'Sms' },
    { to: 'letter', kind: 'Letter' },
    { to: 'bulk', category: 'bulk' },
    { to: 'bulk sms', kind: 'Sms', category: 'bulk' },
  ];

  afterEach(async () => {
    await app?.close();
    app = undefined;
    told = [];
    await database.connection.dropDatabase();
  });

  it('gives each task to the method that says most of it', async () => {
    @Processor('Message')
    class Messages {
      @Process() rest(task: Fields): void {
        note('rest')(task);
      }
      @Process({ kind: 'Sms' }) sms(task: Fields): void {
        note('sms')(task);
      }
      @Process({ category: 'bulk' }) bulk(task: Fields): void {
        note('bulk')(task);
      }
      @Process({ kind: 'Sms', category: ['bulk', 'mass'] }) bulkSms(task: Fields): void {
        note('bulkSms')(task);
      }
    }
    const Message = await start(Messages);
    await Message.push(messages);

    const all = ['bulk bulk', 'bulkSms bulk sms', 'rest letter', 'rest plain', 'sms sms'];
    await eventually(() => expect(told.toSorted()).toEqual(all));
  });

  it('claims only tasks of the kinds that have a method, where none is for the others', async () => {
    @Processor('Message')
    class Messages {
      @Process({ kind: 'Sms' }) sms(task: Fields): void {
        note('sms')(task);
      }
      @Process({ kind: 'Letter' }) letter(task: Fields): void {
        note('letter')(task);
      }
    }
    const Message = await start(Messages);
    await Message.push(messages);

    await eventually(() => expect(told.toSorted()).toEqual(['letter letter', 'sms bulk sms', 'sms sms']));
    expect(await Message.find({ state: 'CREATED' }).distinct('to')).toEqual(['bulk', 'plain']);
  });

  it('claims only tasks of the categories that have a method, where none is for the others', async () => {
    @Processor('Message')
    class Messages {
      @Process({ category: 'bulk' }) bulk(task: Fields): void {
        note('bulk')(task);
      }
    }
    const Message = await start(Messages);
    await Message.push(messages);

    await eventually(() => expect(told.toSorted()).toEqual(['bulk bulk', 'bulk bulk sms']));
    expect(await Message.countDocuments({ state: 'CREATED' })).toBe(3);
  });

  it('may be one of several that have different categories or kinds', async () => {
    @Processor('Message', { category: 'bulk' })
    class Bulk {
      process(task: Fields): void {
        note('bulk')(task);
      }
    }
    @Processor('Message', { category: ['urgent', 'normal'] })
    class Urgent {
      process(task: Fields): void {
        note('urgent')(task);
      }
    }
    const Message = await start(
      { provide: Bulk, useFactory: () => new Bulk() },
      { provide: Urgent, useValue: new Urgent() },
    );
    await Message.push([...messages, { to: 'now', category: 'urgent' }]);

    await eventually(() => expect(told.toSorted()).toEqual(['bulk bulk', 'bulk bulk sms', 'urgent now']));
  });

  it('has the methods and listeners of the class that it extends', async () => {
    abstract class Base {
      @Process() work(task: Fields): void {
        note(this.constructor.name)(task);
      }
      @OnTask('finished') onFinished(task: Fields): void {
        note('finished')(task);
      }
    }
    @Processor('Message')
    class Own extends Base {}
    const Message = await start(Own);
    await Message.push([{ to: 'plain' }]);

    await eventually(() => expect(told).toEqual(['Own plain', 'finished plain']));
  });

  it('is made anew for each task where it is scoped, with the task as the request', async () => {
    let made = 0;
    @Injectable({ scope: Scope.REQUEST })
    class Context {
      constructor(@Inject(REQUEST) readonly request: Fields) {}
    }
    @Processor('Message')
    class Scoped {
      constructor(private readonly context: Context) {
        made++;
      }
      process(task: Fields): void {
        note(this.context.request === task ? 'its own' : 'another')(task);
      }
    }
    const Message = await start(Context, Scoped);
    await Message.push([{ to: 'a' }, { to: 'b' }]);

    await eventually(() => expect(told.toSorted()).toEqual(['its own a', 'its own b']));
    expect(made).toBe(2);
  });
});
