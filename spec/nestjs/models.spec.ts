import { Injectable, type Provider, Scope } from '@nestjs/common';
import { getModelToken } from '@nestjs/mongoose';
import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { OnTask, Process, Processor, type ProcessorOptions, TaskQueueModule } from 'mongoose-task-queue/nestjs';
import { modelToken } from '../../lib/nestjs/named';
import { useDatabase } from '../support/database';
import { type NestParts, startNest } from '../support/nest';

const schemaOf = (options = {}) => taskQueue(new Schema({ to: String }), options);
const kind = { name: 'Sms', schema: new Schema({}) };
const models = [
  { name: 'Email', schema: schemaOf() },
  { name: 'Message', schema: schemaOf(), discriminators: [kind] },
  { name: 'Plain', schema: new Schema({ to: String }) },
];

describe('an application with a mistake in its processors does not start', () => {
  const database = useDatabase();

  function makeProcessor(name: string, model: string, options?: ProcessorOptions, methods: object = { process() {} }) {
    const type = { [name]: class {} }[name]!;
    Object.assign(type.prototype as object, methods);
    Processor(model, options)(type);
    return type;
  }
  const start = async (providers: Provider[], parts: Partial<NestParts> = {}) => {
    const app = await startNest({ uri: database.uri, models, providers, ...parts });
    await app.close();
  };

  it.each<[string, () => Provider[], RegExp]>([
    [
      'a model that nobody provides',
      () => [makeProcessor('A', 'Emial')],
      /of A to name a model, got "Emial".* Known are: Email, Sms, Message, Plain\. Write `MongooseModule.forFeature\(\[\{ name: "Emial"/,
    ],
    ['a model of another connection', () => [makeProcessor('A', 'Email', { connectionName: 'b' })], /got "Email"/],
    ['a model without the plugin', () => [makeProcessor('A', 'Plain')], /The model Plain is no task queue/],
    [
      'a processor without a method',
      () => [makeProcessor('A', 'Email', {}, {})],
      /A to have a method .* `@Process\(\)`/,
    ],
    [
      'two processors of one model',
      () => [makeProcessor('A', 'Email'), makeProcessor('B', 'Email')],
      /two for the same ones: A \(Email\) and B \(Email\)/,
    ],
    [
      'a processor of a base and one of its kind',
      () => [makeProcessor('A', 'Message'), makeProcessor('B', 'Sms')],
      /A \(Message\) and B \(Sms\)/,
    ],
    ['a wrong option', () => [makeProcessor('A', 'Email', { concurrency: 0 })], /`concurrency`.* from 1 to 1000/],
    ['a category of a model that has none', () => [makeProcessor('A', 'Email', { category: 'bulk' })], /category/],
  ])('%s', async (_mistake, makeProviders, message) => {
    await expect(start(makeProviders())).rejects.toThrow(message);
  });

  it('two methods for the same tasks', async () => {
    @Processor('Message')
    class Twice {
      @Process({ kind: 'Sms' }) one(): void {}
      @Process({ kind: ['Sms'] }) two(): void {}
    }
    await expect(start([Twice])).rejects.toThrow(/Twice .* got `one` and `two` for kind Sms/);
  });

  it('a method for a kind that there is not', async () => {
    @Processor('Message')
    class Unknown {
      @Process({ kind: 'Fax' }) one(): void {}
    }
    await expect(start([Unknown])).rejects.toThrow(/Unknown to name a discriminator .* got "Fax"\. Known are: Sms/);
  });

  it('listeners where each task has an instance of its own', async () => {
    @Injectable({ scope: Scope.REQUEST })
    @Processor('Email')
    class Scoped {
      process(): void {}
      @OnTask('failed') onFailed(): void {}
    }
    await expect(start([Scoped])).rejects.toThrow(/Scoped to be a singleton/);
  });

  it('forRoot() twice', async () => {
    const imports = [TaskQueueModule.forRoot({ concurrency: 2 })];

    await expect(start([], { imports })).rejects.toThrow(/`TaskQueueModule.forRoot\(\)` once/);
  });

  it('options from elsewhere that there are not', async () => {
    const options = () => ({ concurency: 2 }) as object;
    const imports = [TaskQueueModule.forRootAsync({ useFactory: options })];

    await expect(start([], { options: null, imports })).rejects.toThrow(/Did you mean `concurrency`/);
  });
});

describe('a mistake in a decorator or the module is told at once', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['no model', () => Processor(undefined as never), /`model` .* `@Processor\(Email.name\)`/],
    ['an unknown option', () => Processor('Email', { concurency: 1 } as object), /Did you mean `concurrency`/],
    ['an option that Nest has', () => TaskQueueModule.forRoot({ handleSignals: true } as object), /`handleSignals`/],
    ['an unknown event', () => OnTask('finnished' as 'finished'), /one of started, finished/],
    ['an unknown filter', () => Process({ kinds: 'Sms' } as object), /Did you mean `kind`/],
    ['no category', () => Process({ category: [] }), /`category` to be one or several/],
  ])('%s', (_mistake, decorate, message) => {
    expect(decorate).toThrow(message);
  });
});

describe('the token of a model', () => {
  it.each([undefined, 'archive', 'DatabaseConnection'])(
    'is that of @nestjs/mongoose, for the connection %s',
    (name) => {
      expect(modelToken('Email', name)).toBe(getModelToken('Email', name));
    },
  );
});
