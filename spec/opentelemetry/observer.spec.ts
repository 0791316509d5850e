import { hostname } from 'node:os';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { Schema } from 'mongoose';
import { constant, taskQueue, type TaskQueueOptions, UnrecoverableError } from 'mongoose-task-queue';
import { instrument, processing } from 'mongoose-task-queue/opentelemetry';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { useTelemetry } from '../support/telemetry';
import { heldHandler, startWorker } from '../support/worker';
import { NOT_APPLICABLE, SPANS } from './table';

const database = useDatabase();
const telemetry = useTelemetry();

let uninstrument: () => void;
beforeEach(() => (uninstrument = instrument({ propagate: true })));
afterEach(() => uninstrument());

let count = 0;
const makeModel = (options: TaskQueueOptions = {}) =>
  database.connection.model(
    `Letter${++count}`,
    taskQueue(new Schema({ to: String }), { backoff: constant(0), ...options }),
  );

/** One by one, the attributes that the table lists for this kind of span: none is missing, none is there that it does not list. */
function expectByTheTable(span: ReadableSpan, type: keyof typeof SPANS, isBatch = false): void {
  const { kind, attributes } = SPANS[type];
  const has = (name: string) => Object.hasOwn(span.attributes, name);
  expect(span.kind).toBe(kind);
  expect(Object.keys(span.attributes).filter((name) => !Object.hasOwn(attributes, name))).toEqual([]);
  for (const [name, requirement] of Object.entries(attributes)) {
    const isFailed = span.status.code === SpanStatusCode.ERROR;
    const isDue =
      name === 'error.type'
        ? isFailed
        : name === 'messaging.batch.message_count'
          ? isBatch
          : name === 'messaging.message.id'
            ? !isBatch
            : requirement !== 'Opt-In' && !NOT_APPLICABLE.includes(name);
    expect({ [name]: has(name) }).toEqual({ [name]: isDue });
  }
}

const parentOf = ({ parentSpanContext }: ReadableSpan) => parentSpanContext?.spanId;
const idOf = (span: ReadableSpan) => span.spanContext().spanId;
const traceIdOf = (span: ReadableSpan) => span.spanContext().traceId;
const linked = ({ links }: ReadableSpan) => links.map(({ context: { spanId } }) => spanId);

describe('the trace of a task', () => {
  it('goes from its push to its handler and to the tasks that this pushes', async () => {
    const Parent = makeModel();
    const Child = makeModel();
    await Parent.push({ to: 'ada' });
    const worker = await startWorker<unknown>([Parent, Child] as never, {
      async handler(task) {
        if (task instanceof Parent) await Child.push({ to: 'child' });
      },
    });
    await eventually(() => expect(telemetry.spans(`finish ${Child.modelName}`)).toHaveLength(1));
    await worker.stop();

    const [push, process, finish, pushChild, processChild, finishChild] = [Parent, Child].flatMap(({ modelName }) =>
      ['push', 'process', 'finish'].map((name) => telemetry.span(`${name} ${modelName}`)),
    ) as [ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan];
    expect(telemetry.spans()).toHaveLength(6);
    expect(new Set(telemetry.spans().map(traceIdOf)).size).toBe(1);

    expect(parentOf(push)).toBeUndefined();
    expect(parentOf(process)).toBe(idOf(push));
    expect(linked(process)).toEqual([idOf(push)]);
    expect(parentOf(finish)).toBe(idOf(process));
    expect(linked(finish)).toEqual([idOf(push)]);
    expect(parentOf(pushChild)).toBe(idOf(process));
    expect(parentOf(processChild)).toBe(idOf(pushChild));
    expect(parentOf(finishChild)).toBe(idOf(processChild));

    expectByTheTable(push, 'send');
    expectByTheTable(process, 'process');
    expectByTheTable(finish, 'settle');
    const { host, port } = Parent.db;
    const parent = (await Parent.findOne())!;
    const common = {
      'messaging.system': 'mongoose-task-queue',
      'messaging.destination.name': Parent.modelName,
      'messaging.client.id': `${hostname()}@${globalThis.process.pid}`,
      'messaging.message.id': parent.id as string,
      'server.address': host,
      'server.port': port,
    };
    const of = (name: string, type: string) => ({ 'messaging.operation.name': name, 'messaging.operation.type': type });
    expect(push.attributes).toEqual({ ...common, ...of('push', 'send') });
    expect(process.attributes).toEqual({ ...common, ...of('process', 'process') });
    expect(finish.attributes).toEqual({ ...common, ...of('finish', 'settle') });
    expect(push.instrumentationScope).toMatchObject({
      name: 'mongoose-task-queue',
      schemaUrl: 'https://opentelemetry.io/schemas/1.44.0',
    });
    for (const span of telemetry.spans()) expect(span.status).toEqual({ code: SpanStatusCode.UNSET });
  });

  it('goes on in the span that pushes', async () => {
    const Letter = makeModel();
    const request = trace.getTracer('spec').startSpan('GET /');
    await context.with(trace.setSpan(context.active(), request), () => Letter.push({ to: 'ada' }));
    request.end();
    await processing((await Letter.pop())!, () => {});

    expect(parentOf(telemetry.span(`push ${Letter.modelName}`))).toBe(request.spanContext().spanId);
    expect(traceIdOf(telemetry.span(`process ${Letter.modelName}`))).toBe(request.spanContext().traceId);
  });

  it('is kept apart from those of handlers that run at the same time', async () => {
    const Parent = makeModel();
    const Child = makeModel();
    const all = deferred();
    let running = 0;
    for (let number = 0; number < 8; number++) await Parent.push({ to: String(number) });
    const worker = await startWorker(Parent, {
      concurrency: 8,
      async handler({ to }) {
        if (++running === 8) all.resolve();
        await all.promise;
        await Child.push({ to: to! });
      },
    });
    await eventually(() => expect(telemetry.spans(`finish ${Parent.modelName}`)).toHaveLength(8));
    await worker.stop();

    const parents = await Parent.find();
    const spanOf = (name: string, id: string) =>
      telemetry.spans(name).find(({ attributes }) => attributes['messaging.message.id'] === id)!;
    for (const child of await Child.find()) {
      const parent = parents.find(({ to }) => to === child.to)!;
      const process = spanOf(`process ${Parent.modelName}`, parent.id as string);
      expect(parentOf(spanOf(`push ${Child.modelName}`, child.id as string))).toBe(idOf(process));
      expect(parentOf(spanOf(`finish ${Parent.modelName}`, parent.id as string))).toBe(idOf(process));
      expect(traceIdOf(process)).toBe(traceIdOf(spanOf(`push ${Parent.modelName}`, parent.id as string)));
    }
  });

  it('of a recurring task is a new one with each run, with a link to the push', async () => {
    const Letter = makeModel();
    await Letter.push({ to: 'ada' }, { every: 1, key: 'often' });
    const worker = await startWorker(Letter, { handler: () => {} });
    await eventually(() => expect(telemetry.spans(`process ${Letter.modelName}`).length).toBeGreaterThan(1));
    await worker.stop();

    const push = telemetry.span(`push ${Letter.modelName}`);
    const runs = telemetry.spans(`process ${Letter.modelName}`);
    for (const run of runs) expect({ parent: parentOf(run), links: linked(run) }).toEqual({ links: [idOf(push)] });
    expect(new Set(runs.map(traceIdOf)).size).toBe(runs.length);
  });

  it('ends nowhere where it was not stored', async () => {
    const Letter = makeModel();
    uninstrument();
    await Letter.push({ to: 'ada' });
    uninstrument = instrument();
    await Letter.push({ to: 'grace' });
    const [first, second] = await Letter.popMany(2);
    await processing(first!, () => {});
    await processing(second!, () => {});

    for (const span of [telemetry.span(`pop ${Letter.modelName}`), ...telemetry.spans(`process ${Letter.modelName}`)])
      expect({ parent: parentOf(span), links: linked(span) }).toEqual({ links: [] });
  });
});

describe('a batch', () => {
  it('is pushed in one span, whose context all its tasks have', async () => {
    const Letter = makeModel();
    await Letter.push([{ to: 'ada' }, { to: 'grace' }, { to: 'edsger' }]);
    const tasks = await Letter.popMany(5);
    await processing(tasks, () => {});

    const push = telemetry.span(`push ${Letter.modelName}`);
    const pop = telemetry.span(`pop ${Letter.modelName}`);
    const process = telemetry.span(`process ${Letter.modelName}`);
    expectByTheTable(push, 'send', true);
    expectByTheTable(pop, 'receive', true);
    expectByTheTable(process, 'process', true);
    for (const span of [push, pop, process]) expect(span.attributes['messaging.batch.message_count']).toBe(3);
    for (const span of [pop, process]) {
      expect(linked(span)).toEqual([idOf(push), idOf(push), idOf(push)]);
      expect(span.links.map(({ attributes }) => attributes)).toEqual(
        tasks.map(({ id }) => ({ 'messaging.message.id': id as string })),
      );
      expect(parentOf(span)).toBeUndefined();
    }
    expect(traceIdOf(process)).not.toBe(traceIdOf(push));
  });
});

describe('a pop by hand', () => {
  it('is told with a link to the push when it brings a task', async () => {
    const Letter = makeModel();
    await Letter.push({ to: 'ada' });
    const task = await Letter.pop();
    await task!.finish();

    const pop = telemetry.span(`pop ${Letter.modelName}`);
    expectByTheTable(pop, 'receive');
    expect(linked(pop)).toEqual([idOf(telemetry.span(`push ${Letter.modelName}`))]);
    expect(pop.attributes['messaging.message.id']).toBe(task!.id);
    expectByTheTable(telemetry.span(`finish ${Letter.modelName}`), 'settle');
  });

  it('is not told when it brings none', async () => {
    const Letter = makeModel();
    expect(await Letter.pop()).toBeNull();
    expect(await Letter.popMany(3)).toEqual([]);
    const worker = await startWorker(Letter, { handler: () => {} });
    await worker.drained();

    expect(telemetry.spans()).toEqual([]);
  });

  it('is told for each task of a queue', async () => {
    const Letter = makeModel();
    await Letter.push([{ to: 'ada' }, { to: 'grace' }]);
    for await (const task of Letter.queue()) {
      await task.finish();
      if (await Letter.isEmpty()) break;
    }

    expect(telemetry.spans(`pop ${Letter.modelName}`)).toHaveLength(2);
  });

  it('is worked on in the span of who calls, which is linked to the push', async () => {
    const Letter = makeModel();
    await Letter.push({ to: 'ada' });
    const task = await Letter.pop();
    const request = trace.getTracer('spec').startSpan('GET /');
    await context.with(trace.setSpan(context.active(), request), () => processing(task!, () => task!.finish()));

    const process = telemetry.span(`process ${Letter.modelName}`);
    expect(parentOf(process)).toBe(request.spanContext().spanId);
    expect(linked(process)).toEqual([idOf(telemetry.span(`push ${Letter.modelName}`))]);
    expect(parentOf(telemetry.span(`finish ${Letter.modelName}`))).toBe(idOf(process));
  });
});

describe('a push under a key that is taken', () => {
  it('is told of the task that has the key', async () => {
    const Letter = makeModel();
    const first = await Letter.push({ to: 'ada' }, { key: 'one' });
    telemetry.forget();
    await Letter.push({ to: 'grace' }, { key: 'one' });

    expect(telemetry.span(`push ${Letter.modelName}`).attributes['messaging.message.id']).toBe(first.id);
  });

  it('hands its trace on with its input', async () => {
    const Letter = makeModel();
    await Letter.push({ to: 'ada' }, { key: 'one' });
    telemetry.forget();
    await Letter.push({ to: 'grace' }, { key: 'one', onDuplicate: 'replace' });
    const task = await Letter.pop();

    expect(task!.to).toBe('grace');
    expect(linked(telemetry.span(`pop ${Letter.modelName}`))).toEqual([
      idOf(telemetry.span(`push ${Letter.modelName}`)),
    ]);
  });
});

class PaymentError extends Error {}

describe('a failure', () => {
  it('of a handler is told by its span, and each attempt by one of its own', async () => {
    const Letter = makeModel({ maxAttempts: 2 });
    await Letter.push({ to: 'ada' });
    const worker = await startWorker(Letter, {
      handler() {
        throw new PaymentError('declined');
      },
    });
    await eventually(() => expect(telemetry.spans(`fail ${Letter.modelName}`)).toHaveLength(1));
    await worker.stop();

    const attempts = telemetry.spans(`process ${Letter.modelName}`);
    expect(attempts).toHaveLength(2);
    for (const span of attempts) {
      expectByTheTable(span, 'process');
      expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: 'declined' });
      expect(span.attributes['error.type']).toBe('PaymentError');
      expect(span.events).toHaveLength(1);
      expect(span.events[0]).toMatchObject({
        name: 'exception',
        attributes: {
          'exception.type': 'PaymentError',
          'exception.message': 'declined',
          'exception.stacktrace': expect.stringContaining('observer.spec') as string,
        },
      });
    }
    const [retry, fail] = [telemetry.span(`retry ${Letter.modelName}`), telemetry.span(`fail ${Letter.modelName}`)];
    expect(parentOf(retry)).toBe(idOf(attempts[0]!));
    expect(parentOf(fail)).toBe(idOf(attempts[1]!));
    for (const settle of [retry, fail]) {
      expectByTheTable(settle, 'settle');
      expect(settle.status.code).toBe(SpanStatusCode.UNSET);
    }
  });

  it.each([
    ['a text', () => 'no'],
    ['an error that cannot be repeated', () => new UnrecoverableError('no')],
    ['a name of its own', () => Object.assign(new Error('no'), { name: 'OddError' })],
    [
      'what cannot be read',
      () =>
        new Proxy(
          {},
          {
            get: () => {
              throw new Error('never');
            },
          },
        ),
    ],
  ])('is named: %s', async (what, make) => {
    const Letter = makeModel({ maxAttempts: 1 });
    await Letter.push({ to: 'ada' });
    const worker = await startWorker(Letter, {
      handler() {
        // oxlint-disable-next-line typescript/only-throw-error -- anything can be thrown
        throw make();
      },
    });
    await eventually(() => expect(telemetry.spans(`fail ${Letter.modelName}`)).toHaveLength(1));
    await worker.stop();

    const names: Record<string, string> = {
      'an error that cannot be repeated': 'UnrecoverableError',
      'a name of its own': 'OddError',
    };
    expect(telemetry.span(`process ${Letter.modelName}`).attributes['error.type']).toBe(names[what] ?? '_OTHER');
  });

  it('of a push is told, and what it pushed was not stored', async () => {
    const Letter = database.connection.model('Strict', taskQueue(new Schema({ to: { type: String, required: true } })));
    await expect(Letter.push({})).rejects.toThrow('`to` is required');

    const push = telemetry.span('push Strict');
    expectByTheTable(push, 'send');
    expect(push.attributes['error.type']).toBe('ValidationError');
  });

  it('of a pop is told', async () => {
    const Letter = makeModel();
    await Letter.push({ to: 'ada' });
    jest.spyOn(Letter.collection, 'findOneAndUpdate').mockRejectedValueOnce(new PaymentError('no'));
    await expect(Letter.pop()).rejects.toThrow(PaymentError);
    jest.restoreAllMocks();

    const pop = telemetry.span(`pop ${Letter.modelName}`);
    expect(pop.attributes).toMatchObject({ 'error.type': 'PaymentError', 'messaging.operation.type': 'receive' });
  });

  it('of a lease that was lost is told by handler and settle, and by the next holder nothing of it', async () => {
    const Letter = makeModel({ leaseMs: 60_000 });
    await Letter.push({ to: 'ada' });
    const late = await Letter.pop();
    await Letter.updateOne({}, { $set: { '_task.availableAt': new Date(0) } }, { strict: false });
    const next = await Letter.pop();
    await expect(late!.finish()).rejects.toMatchObject({ name: 'LeaseLostError' });
    await next!.finish();

    const [lost, finished] = telemetry.spans(`finish ${Letter.modelName}`);
    expectByTheTable(lost!, 'settle');
    expect(lost!.attributes['error.type']).toBe('LeaseLostError');
    expect(finished!.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('of a handler that is given up at the time limit is told at that time', async () => {
    const Letter = makeModel({ maxAttempts: 1 });
    await Letter.push({ to: 'ada' });
    const { handler, calls } = heldHandler<unknown>();
    const worker = await startWorker(Letter, { handler, timeoutMs: 50 });
    await eventually(() => expect(telemetry.spans(`fail ${Letter.modelName}`)).toHaveLength(1));
    calls[0]!.end.resolve();
    await worker.stop();

    const process = telemetry.span(`process ${Letter.modelName}`);
    expect(process.attributes['error.type']).toBe('TimeoutError');
    expect(parentOf(telemetry.span(`fail ${Letter.modelName}`))).toBe(idOf(process));
  });
});
