import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Schema } from 'mongoose';
import { constant, finish, InvalidOptionError, taskQueue, UnrecoverableError } from 'mongoose-task-queue';
import {
  type ExceptionRecord,
  instrument,
  type InstrumentOptions,
  processing,
} from 'mongoose-task-queue/opentelemetry';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { useTelemetry } from '../support/telemetry';
import { recordEvents, startWorker } from '../support/worker';

const database = useDatabase();
const telemetry = useTelemetry();

let uninstrument = () => {};
afterEach(() => uninstrument());

let count = 0;
const makeModel = () =>
  database.connection.model(`Seen${++count}`, taskQueue(new Schema({ to: String }), { backoff: constant(0) }));

describe('instrument()', () => {
  it('sees all models of the process until it is ended', async () => {
    const Letter = makeModel();
    await Letter.push({ to: 'ada' });
    uninstrument = instrument();
    await Letter.push({ to: 'grace' });
    uninstrument();
    uninstrument();
    await Letter.push({ to: 'edsger' });

    expect(telemetry.spans()).toHaveLength(1);
  });

  it('is refused while the process is instrumented', () => {
    uninstrument = instrument();

    expect(() => instrument()).toThrow(InvalidOptionError);
  });

  it.each([
    [{ propagates: true }, 'Did you mean `propagate`?'],
    [{ propagate: 'yes' }, 'Expected `propagate` to be true or false'],
    [{ tracerProvider: {} }, 'Expected `tracerProvider` to be an object with `getTracer()`'],
    [{ meterProvider: 7 }, 'Expected `meterProvider` to be an object with `getMeter()`'],
    [{ logger: console }, 'Expected `logger` to be an object with `emit()`'],
  ])('refuses %j, and changes nothing', async (options, message) => {
    expect(() => instrument(options as InstrumentOptions)).toThrow(message);
    await makeModel().push({ to: 'ada' });

    expect(telemetry.spans()).toEqual([]);
  });

  it('gives exceptions to a logger as the conventions name them, each once', async () => {
    const records: ExceptionRecord[] = [];
    uninstrument = instrument({ logger: { emit: (record) => void records.push(record) } });
    const Letter = makeModel();
    await Letter.push({ to: 'ada' });
    const late = await Letter.pop();
    await Letter.deleteMany();
    await Letter.push({ to: 'grace' });
    const worker = await startWorker(Letter, {
      async handler() {
        await late!.finish();
      },
    });
    await eventually(() => expect(telemetry.spans(`process ${Letter.modelName}`).length).toBeGreaterThan(0));
    await eventually(async () => expect(await Letter.countDocuments({ state: 'FAILED' })).toBe(1));
    await worker.stop();
    const [settle] = telemetry.spans(`finish ${Letter.modelName}`);

    expect(records[0]).toEqual({
      eventName: 'messaging.settle.exception',
      severityNumber: 13,
      severityText: 'WARN',
      attributes: {
        'exception.type': 'TaskStateError',
        'exception.message': expect.any(String) as string,
        'exception.stacktrace': expect.any(String) as string,
      },
      context: expect.anything() as object,
    });
    expect(trace.getSpanContext(records[0]!.context)).toEqual(settle!.spanContext());
    expect(settle!.events).toEqual([]);
    // Each attempt had an error of its own, which its settle had told when the handler threw it.
    expect(records.map(({ eventName }) => eventName)).toEqual(records.map(() => 'messaging.settle.exception'));
  });

  it('names what a handler threw by itself, as an error', async () => {
    const records: ExceptionRecord[] = [];
    uninstrument = instrument({ logger: { emit: (record) => void records.push(record) } });
    const Letter = makeModel();
    await Letter.push({ to: 'ada' });
    const worker = await startWorker(Letter, {
      handler() {
        throw new UnrecoverableError('no');
      },
    });
    await eventually(() => expect(records).toHaveLength(1));
    await worker.stop();

    expect(records[0]).toMatchObject({
      eventName: 'messaging.process.exception',
      severityNumber: 17,
      severityText: 'ERROR',
    });
  });
});

describe('processing()', () => {
  it('resolves to what the function gives, instrumented or not', async () => {
    const Letter = makeModel();
    await Letter.push({ to: 'ada' });
    const task = await Letter.pop();
    expect(await processing(task!, () => 1)).toBe(1);
    uninstrument = instrument();

    expect(await processing(task!, () => Promise.resolve(2))).toBe(2);
    expect(await processing([], () => 3)).toBe(3);
    expect(await processing({}, () => 4)).toBe(4);
    expect(telemetry.spans(`process ${Letter.modelName}`)).toHaveLength(1);
  });

  it('rejects with what the function throws', async () => {
    const Letter = makeModel();
    const task = await Letter.push({ to: 'ada' });
    uninstrument = instrument();
    const error = new Error('no');

    await expect(
      processing(task, () => {
        throw error;
      }),
    ).rejects.toBe(error);
    expect(telemetry.span(`process ${Letter.modelName}`).attributes['error.type']).toBe('Error');
  });
});

const fail = (): never => {
  throw new Error('telemetry is broken');
};

/** Anything that is asked of it throws, and so does what it gives. */
const broken = new Proxy(fail, { get: fail, apply: fail }) as never;

/** Each method gives a thing of which each method throws. */
const halfBroken = new Proxy({}, { get: () => () => new Proxy({}, { get: () => fail }) }) as never;

const providersOf = (thing: never) => ({
  tracerProvider: { getTracer: () => thing },
  meterProvider: { getMeter: () => thing } as never,
  logger: { emit: fail },
});

describe('telemetry that throws', () => {
  const life = async () => {
    const Letter = makeModel();
    await Letter.push([{ to: 'ada' }, { to: 'grace' }]);
    await Letter.push({ to: 'edsger' });
    const task = await Letter.pop();
    expect(await processing(task!, () => 'done')).toBe('done');
    await task!.finish();
    await expect(finish(null as never)).rejects.toThrow(InvalidOptionError);
    const worker = await startWorker(Letter, {
      handler({ to, attempts }) {
        if (to === 'edsger' && attempts === 1) throw new Error('not yet');
      },
    });
    const events = recordEvents(worker);
    await eventually(async () => expect(await Letter.countDocuments({ state: 'FINISHED' })).toBe(3));
    await worker.stop();
    expect(events.map(([name]) => name)).toEqual([
      'started',
      'finished',
      'started',
      'retried',
      'started',
      'finished',
      'stopped',
    ]);
  };
  it('by its providers and its logger harms no task', async () => {
    for (const one of [broken, halfBroken]) {
      uninstrument = instrument({ propagate: true, ...providersOf(one) });
      await life();
      uninstrument();
    }
  });

  it('by its propagator harms no task', async () => {
    propagation.disable();
    propagation.setGlobalPropagator({ inject: fail, extract: fail, fields: fail });
    uninstrument = instrument({ propagate: true });
    await life();
    uninstrument();
    propagation.disable();
    const inject = (_: unknown, carrier: object) => void Object.assign(carrier, { traceparent: 'odd' });
    propagation.setGlobalPropagator({ inject, extract: () => ({}) as never, fields: () => [] });
    uninstrument = instrument({ propagate: true });
    await life();
    propagation.disable();
  });

  it('by its context manager harms no task, and calls each handler once', async () => {
    const before = { active: fail, with: fail, bind: fail, enable: fail, disable: () => before };
    const after = {
      ...before,
      with(_: unknown, run: () => unknown) {
        run();
        return fail();
      },
    };
    for (const manager of [before, after]) {
      context.disable();
      context.setGlobalContextManager(manager as never);
      uninstrument = instrument({ propagate: true });
      await life();
      uninstrument();
    }
    context.disable();
  });

  it('by its processors and exporters harms no task', async () => {
    const processor = { onStart: fail, onEnd: fail, forceFlush: fail, shutdown: fail };
    const exporter = { export: fail, shutdown: () => Promise.resolve() };
    for (const spanProcessors of [[processor], [new SimpleSpanProcessor(exporter)]]) {
      uninstrument = instrument({ tracerProvider: new BasicTracerProvider({ spanProcessors }) });
      await life();
      uninstrument();
    }
  });

  it('by the global API harms no task', async () => {
    const spans = jest.spyOn(trace, 'getTracerProvider').mockImplementation(fail);
    const meters = jest.spyOn(metrics, 'getMeterProvider').mockImplementation(fail);
    uninstrument = instrument({ propagate: true });
    await life();
    spans.mockRestore();
    meters.mockRestore();
  });
});
