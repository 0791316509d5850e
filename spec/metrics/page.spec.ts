import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type mongo, Schema, mongo as driver } from 'mongoose';
import { Registry } from 'prom-client';
import { DependencyType, taskQueue } from 'mongoose-task-queue';
import { metrics } from 'mongoose-task-queue/metrics';
import { useDatabase } from '../support/database';
import { endLease } from '../support/raw';

const docs = join(__dirname, '../../docs');
const page = readFileSync(join(docs, 'metrics.md'), 'utf8');
const dashboard = readFileSync(join(docs, 'grafana.json'), 'utf8');

const database = useDatabase();

/** The names that a scrape has, and the values of each label but the queue's. */
async function known(): Promise<{ names: Set<string>; labels: Record<string, Set<string>> }> {
  const register = new Registry();
  const Letter = database.connection.models['Known'] ?? database.connection.model('Known', taskQueue(new Schema({})));
  const { close } = metrics({ models: Letter as never, register });
  const text = await register.metrics();
  close();
  const labels: Record<string, Set<string>> = {};
  for (const [, label, value] of text.matchAll(/(state|outcome)="(\w+)"/g)) (labels[label!] ??= new Set()).add(value!);

  return { names: new Set(text.match(/^task_queue_\w+/gm)), labels };
}

/** The queries in a text: what stands in them as a metric's name, and as values of labels. */
function used(text: string): { names: Set<string>; labels: [label: string, value: string][] } {
  const matchers = [...text.matchAll(/\b(state|outcome)=~?\\?"([\w|]+)\\?"/g)];

  return {
    names: new Set(text.match(/\btask_queue_\w+/g)),
    labels: matchers.flatMap(([, label, values]) =>
      values!.split('|').map((value): [string, string] => [label!, value]),
    ),
  };
}

describe.each([
  ['the page', page],
  ['the dashboard', dashboard],
])('%s', (_, text) => {
  it('names only metrics, states and outcomes that a scrape has', async () => {
    const { names, labels } = await known();
    const { names: usedNames, labels: usedLabels } = used(text);
    // The name of a histogram stands for its three series.
    const families = new Set([...names].map((name) => name.replace(/_(?:bucket|sum|count)$/, '')));

    expect([...usedNames].filter((name) => !names.has(name) && !families.has(name))).toEqual([]);
    expect(usedNames.size).toBeGreaterThanOrEqual(8);
    expect(usedLabels.filter(([label, value]) => !labels[label]!.has(value))).toEqual([]);
    expect(usedLabels.length).toBeGreaterThan(2);
  });
});

describe('the page', () => {
  it('names all metrics, states and outcomes', async () => {
    const { names, labels } = await known();
    for (const name of names) expect(page).toContain(name.replace(/_(?:bucket|sum|count)$/, ''));
    for (const value of Object.values(labels).flatMap((set) => [...set])) expect(page).toContain(`\`${value}\``);
  });
});

describe('the dashboard', () => {
  const { panels, templating } = JSON.parse(dashboard) as {
    panels: { id: number; title: string; gridPos: { x: number; w: number }; targets: { expr: string }[] }[];
    templating: { list: { name: string }[] };
  };

  it('has panels with a title and a place, each by the variables that there are', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const variables = templating.list.map(({ name }) => name);
    for (const { title, gridPos, targets } of panels) {
      expect(title).not.toBe('');
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (const { expr } of targets) {
        expect(expr).toContain('queue=~"$queue"');
        for (const [, name] of expr.matchAll(/\$(\w+)/g)) expect([...variables, '__rate_interval']).toContain(name);
      }
    }
  });
});

describe('the query for KEDA', () => {
  // As KEDA reads it, by the driver for Go: extended JSON in its canonical form, then `CountDocuments()`.
  const [, text] = /query: '(\{.*\})'/.exec(page)!;
  const query = driver.BSON.EJSON.parse(text!, { relaxed: false }) as mongo.Document;
  const pipeline = [{ $match: query }, { $group: { _id: 1, n: { $sum: 1 } } }];

  const schema = () =>
    taskQueue(new Schema({ after: { type: Schema.Types.ObjectId, ref: 'Scaled', dependsOn: DependencyType.DIRECT } }));

  it('counts what stats() calls ready, by the claim index alone', async () => {
    const Scaled = database.connection.model('Scaled', schema());
    await Scaled.ensureTaskIndexes();
    const done = await Scaled.push(Array.from({ length: 300 }, () => ({})));
    await Promise.all(done.map((task) => task.finish()));
    for (const end of ['fail', 'cancel'] as const) await (await Scaled.push({}))[end]();
    await new Scaled({}).save();
    await Scaled.push([{}, {}]);
    const [held, late] = await Scaled.popMany(2);
    await endLease(Scaled, late!._id);
    await Scaled.push({}, { delayMs: 3_600_000 });
    await Scaled.push({ after: held!._id });
    await Scaled.push([{}, { priority: 100 }, { priority: -100 }]);
    const bare = await Scaled.push({});
    await Scaled.collection.updateOne({ _id: bare._id }, { $unset: { priority: 1 } });
    const retried = await Scaled.push({});
    await Scaled.collection.updateOne({ _id: retried._id }, { $set: { '_task.attempts': 1 } });

    const stats = await Scaled.stats();
    expect(stats).toMatchObject({ ready: 5, delayed: 1, blocked: 1, running: 2, failed: 1, cancelled: 1 });
    expect(await Scaled.collection.countDocuments(query)).toBe(stats.ready);
    expect(await Scaled.collection.aggregate(pipeline).toArray()).toEqual([{ _id: 1, n: stats.ready }]);

    const explained = await Scaled.collection.aggregate(pipeline).explain('executionStats');
    const plan = JSON.stringify(explained);
    expect(new Set(plan.match(/"indexName":"[^"]+"/g))).toEqual(new Set(['"indexName":"task_claim"']));
    expect(plan).not.toContain('COLLSCAN');
    // Neither what is finished nor what is delayed: what is ready, the lease that ended, and a seek for each priority.
    const { totalDocsExamined } = findStats(explained)!;
    expect(totalDocsExamined).toBe(stats.ready + 1);
  });

  it('of a kind counts its own', async () => {
    const Base = database.connection.model('ScaledBase', taskQueue(new Schema({})));
    const Kind = Base.discriminator('ScaledKind', new Schema({}));
    await Base.push([{}, {}]);
    await Kind.push([{}, {}, {}]);

    expect(await Base.collection.countDocuments(query)).toBe((await Base.stats()).ready);
    expect(await Base.collection.countDocuments({ ...query, __t: 'ScaledKind' })).toBe((await Kind.stats()).ready);
  });
});

/** The statistics of an explained plan, at whatever depth the server has them. */
function findStats(value: unknown): { totalDocsExamined: number } | undefined {
  if (value === null || typeof value !== 'object') return undefined;
  if ('totalDocsExamined' in value) return value as { totalDocsExamined: number };

  return Object.values(value).map(findStats).find(Boolean);
}
