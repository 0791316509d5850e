import { metrics } from '@opentelemetry/api';
import type { DataPoint, Histogram } from '@opentelemetry/sdk-metrics';
import { Schema } from 'mongoose';
import { constant, taskQueue } from 'mongoose-task-queue';
import { instrument, processing } from 'mongoose-task-queue/opentelemetry';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { useTelemetry } from '../support/telemetry';
import { startWorker } from '../support/worker';
import { BOUNDARIES, METRICS } from './table';

const database = useDatabase();
const telemetry = useTelemetry();

let uninstrument: () => void;
beforeEach(() => (uninstrument = instrument()));
afterEach(() => uninstrument());

let count = 0;
const makeModel = () =>
  database.connection.model(`Measured${++count}`, taskQueue(new Schema({ to: String }), { backoff: constant(0) }));

type Model = ReturnType<typeof makeModel>;
type Name = keyof typeof METRICS;

async function pointsOf(name: Name, { modelName }: Model): Promise<DataPoint<number | Histogram>[]> {
  const { points } = await telemetry.points(name);

  return points.filter(({ attributes }) => attributes['messaging.destination.name'] === modelName);
}

/** How much was counted, or how often measured, by the name of the operation and the type of its error. */
async function figures(name: Name, model: Model): Promise<Record<string, number>> {
  const points = await pointsOf(name, model);
  const named = points.map(({ attributes, value }) => [
    [attributes['messaging.operation.name'], attributes['error.type']].filter(Boolean).join(' '),
    typeof value === 'number' ? value : value.count,
  ]);

  return Object.fromEntries(named) as Record<string, number>;
}

describe('the metrics', () => {
  it('count messages and measure operations', async () => {
    const Letter = makeModel();
    await Letter.push([{ to: 'ada' }, { to: 'grace' }, { to: 'edsger' }]);
    await Letter.push({ to: 'bad' });
    for (const task of await Letter.popMany(2)) await processing(task, () => task.finish());
    const worker = await startWorker(Letter, {
      handler({ to, attempts }) {
        if (to === 'bad' && attempts === 1) throw new RangeError('no');
      },
    });
    await eventually(async () => expect(await Letter.countDocuments({ state: 'FINISHED' })).toBe(4));
    await worker.stop();

    expect(await figures('messaging.client.sent.messages', Letter)).toEqual({ push: 4 });
    expect(await figures('messaging.client.consumed.messages', Letter)).toEqual({
      pop: 2,
      process: 2,
      'process RangeError': 1,
    });
    expect(await figures('messaging.client.operation.duration', Letter)).toEqual({
      push: 2,
      pop: 1,
      finish: 4,
      retry: 1,
    });
    expect(await figures('messaging.process.duration', Letter)).toEqual({ process: 4, 'process RangeError': 1 });
  });

  it.each(Object.entries(METRICS))('%s is that of the table', async (name, { type, unit, attributes }) => {
    const Letter = makeModel();
    await Letter.push([{ to: 'ada' }, { to: 'grace' }]);
    await (await Letter.pop())!.finish();
    const task = await Letter.pop();
    await processing(task!, () => Promise.reject(new RangeError('no'))).catch(() => {});

    const { descriptor } = await telemetry.points(name);
    expect(descriptor).toMatchObject({ name, type, unit });
    const points = await pointsOf(name as Name, Letter);
    expect(points.length).toBeGreaterThan(0);
    for (const point of points) {
      const isFailed = 'error.type' in point.attributes;
      expect(Object.keys(point.attributes).sort()).toEqual(
        Object.keys(attributes)
          .filter((one) => one !== 'error.type' || isFailed)
          .sort(),
      );
      if (type === 'HISTOGRAM') expect((point.value as Histogram).buckets.boundaries).toEqual(BOUNDARIES);
    }
  });

  it('say nothing of a pop that brings nothing', async () => {
    const Letter = makeModel();
    await Letter.pop();

    expect(await pointsOf('messaging.client.operation.duration', Letter)).toEqual([]);
  });

  it('have the duration of the span', async () => {
    const Letter = makeModel();
    await Letter.push({ to: 'ada' });
    const [point] = await pointsOf('messaging.client.operation.duration', Letter);
    const { duration } = telemetry.span(`push ${Letter.modelName}`);

    expect((point!.value as Histogram).sum).toBeCloseTo(duration[0] + duration[1] / 1e9, 6);
  });

  it('begin with a provider that is registered later, and with the one that replaces it', async () => {
    const Letter = makeModel();
    const own = metrics.getMeterProvider();
    metrics.disable();
    await Letter.push({ to: 'ada' });
    metrics.setGlobalMeterProvider(own);
    await Letter.push({ to: 'grace' });

    expect(await figures('messaging.client.sent.messages', Letter)).toEqual({ push: 1 });
  });
});
