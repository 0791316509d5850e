import { propagation, type TextMapPropagator } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { instrument } from 'mongoose-task-queue/opentelemetry';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { stored } from '../support/raw';
import { useTelemetry } from '../support/telemetry';

const database = useDatabase();
const telemetry = useTelemetry();

let uninstrument = () => {};
afterEach(() => {
  uninstrument();
  propagation.disable();
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
});

let count = 0;
const makeModel = (connection = database.connection) =>
  connection.model(`Carried${++count}`, taskQueue(new Schema({ to: String, list: [{ name: String }] })));

const FORGED = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
const storedTrace = async (model: Parameters<typeof stored>[0], id: unknown) =>
  ((await stored(model, id))['_task'] as { trace?: unknown }).trace;

const propagate = (
  inject: TextMapPropagator['inject'],
  extract: TextMapPropagator['extract'] = (context) => context,
) => {
  propagation.disable();
  propagation.setGlobalPropagator({ inject, extract, fields: () => [] });
};

describe('the trace of a push', () => {
  it('is stored with its task, as W3C Trace Context', async () => {
    uninstrument = instrument({ propagate: true });
    const Letter = makeModel();
    const task = await Letter.push({ to: 'ada' });
    const { traceId, spanId } = telemetry.span(`push ${Letter.modelName}`).spanContext();

    expect(await storedTrace(Letter, task._id)).toEqual({ traceparent: `00-${traceId}-${spanId}-01` });
  });

  it('is stored by a push with save hooks, too, and by one of a stored document', async () => {
    uninstrument = instrument({ propagate: true });
    const schema = new Schema({ to: String });
    schema.pre('save', () => {});
    const Letter = database.connection.model('Hooked', taskQueue(schema));
    const task = await Letter.push({ to: 'ada' });
    const first = await storedTrace(Letter, task._id);
    await (await Letter.pop())!.finish();
    await (await Letter.findById(task._id))!.push();

    expect(first).toEqual({ traceparent: expect.any(String) as string });
    expect(await storedTrace(Letter, task._id)).not.toEqual(first);
  });

  it('is not stored unless that is asked for', async () => {
    uninstrument = instrument();
    const Letter = makeModel();
    const task = await Letter.push({ to: 'ada' });

    expect((await stored(Letter, task._id))['_task']).not.toHaveProperty('trace');
  });

  it('leaves a task that is pushed again without one', async () => {
    uninstrument = instrument({ propagate: true });
    const Letter = makeModel();
    const task = await Letter.push({ to: 'ada' });
    await (await Letter.pop())!.finish();
    uninstrument();
    await (await Letter.findById(task._id))!.push();

    expect(await storedTrace(Letter, task._id)).toBeUndefined();
  });

  it('cannot be set by input, by a document or by a save', async () => {
    const Letter = makeModel();
    const forged = { to: 'ada', _task: { trace: FORGED } };
    const one = await Letter.push(forged as { to: string });
    const [two] = await Letter.push([forged, forged] as { to: string }[]);
    const three = await new Letter(forged).push();
    const four = await Letter.push({ to: 'ada' });
    four.set('_task.trace', FORGED, { strict: false });
    await four.save();

    for (const { _id } of [one, two!, three, four]) expect(await storedTrace(Letter, _id)).toBeUndefined();
  });

  it('is left out where it is no text that can be stored, and so is all that is no trace', async () => {
    uninstrument = instrument({ propagate: true });
    const Letter = makeModel();
    const written = async (carrier: object) => {
      propagate((_, to) => void Object.assign(to as object, carrier));
      return storedTrace(Letter, (await Letter.push({ to: 'ada' }))._id);
    };

    expect(await written({ ...FORGED, tracestate: 'a=b', baggage: 'secret=1' })).toEqual({
      ...FORGED,
      tracestate: 'a=b',
    });
    expect(await written({ ...FORGED, tracestate: 'x'.repeat(513) })).toEqual(FORGED);
    for (const traceparent of ['', 'x'.repeat(513), 7, { $gt: '' }, undefined])
      expect(await written({ traceparent })).toBeUndefined();
  });

  it.each([
    ['a text', 'no'],
    ['a list', [FORGED]],
    ['numbers', { traceparent: 7 }],
    ['a state of another type', { ...FORGED, tracestate: { $ne: 1 } }],
    ['a text that is no trace', { traceparent: 'nonsense' }],
  ])('counts as none where another program wrote %s', async (_, trace) => {
    uninstrument = instrument({ propagate: true });
    const Letter = makeModel();
    const { _id } = await Letter.push({ to: 'ada' });
    await Letter.collection.updateOne({ _id }, { $set: { '_task.trace': trace } });
    const task = await Letter.pop();
    await task!.finish();

    expect(telemetry.span(`pop ${Letter.modelName}`).links).toEqual([]);
    expect(telemetry.span(`finish ${Letter.modelName}`).links).toEqual([]);
  });
});

describe('for those who do not use it', () => {
  it('not a byte is sent', async () => {
    const { connection, all, forget } = await monitoredConnection(database.uri);
    const Letter = makeModel(connection);
    await Letter.ensureTaskIndexes();
    const run = async () => {
      forget();
      const task = await Letter.push({ to: 'ada' });
      await (await Letter.pop())!.finish();
      await (await Letter.findById(task._id))!.push();
      await (await Letter.pop())!.finish();
      await Letter.push([{ to: 'ada' }, { to: 'grace' }]);
      for (const one of await Letter.popMany(5)) await one.retry();
      await Letter.deleteMany();
      return all().map(({ name, body }) => `${name} ${Object.keys(body).join()} ${namesIn(body).join()}`);
    };
    const without = await run();
    expect(without.join('\n')).not.toContain('trace');
    uninstrument = instrument();
    const instrumented = await run();

    expect(instrumented).toEqual(without);
  });
});

/** The names of all fields in what is sent, at whatever depth. */
function namesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(namesIn);
  if (value === null || typeof value !== 'object' || '_bsontype' in value) return [];

  return Object.entries(value).flatMap(([name, one]) => (name === 'lsid' ? [] : [name, ...namesIn(one)]));
}
