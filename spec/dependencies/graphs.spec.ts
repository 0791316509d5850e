import { Schema, Types } from 'mongoose';
import { taskQueue } from '../../lib';
import { startProgram, type Child } from '../support/child';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { PROPERTY_SEED } from '../support/property';
import { randomFrom } from '../support/random';

const { ObjectId } = Schema.Types;

describe('a graph of tasks', () => {
  const database = useDatabase();
  let collection = 0;

  it('as a chain is popped link by link', async () => {
    const Link = linkModel();
    const links = await pushChain(Link, 50);

    const order: number[] = [];
    for (let link = await Link.pop(); link; link = await Link.pop()) {
      order.push(link.number!);
      await expect(Link.pop()).resolves.toBeNull();
      await link.finish();
    }

    expect(order).toEqual(links.map(({ number }) => number));
  });

  it('as a diamond joins again only when both sides are done', async () => {
    const Step = stepModel();
    const top = await Step.push({ name: 'top' });
    const [left, right] = await Step.push([
      { name: 'left', after: [top._id] },
      { name: 'right', after: [top._id] },
    ]);
    await Step.push({ name: 'bottom', after: [left!._id, right!._id] });

    const order: string[] = [];
    for (let step = await Step.pop(); step; step = await Step.pop()) {
      order.push(step.name!);
      await step.finish();
    }

    expect(order).toEqual(['top', 'left', 'right', 'bottom']);
  });

  it('as a fan-in of 1 000 is popped once, after the last of them', async () => {
    const Step = stepModel();
    const parts = await Step.push(Array.from({ length: 1_000 }, (_, index) => ({ name: `part ${index}` })));
    const whole = await Step.push({ name: 'whole', after: parts.map(({ _id }) => _id) });

    let finished = 0;
    for (let batch = await Step.popMany(100); batch.length > 0; batch = await Step.popMany(100)) {
      if (batch.some(({ name }) => name === 'whole')) expect(finished).toBe(1_000);
      await Promise.all(batch.map((step) => step.finish()));
      finished += batch.length;
    }

    expect(finished).toBe(1_001);
    expect((await Step.findById(whole))?.attempts).toBe(1);
  });

  it('as a fan-out of 10 000 is popped once each, after the one they wait for', async () => {
    const Step = stepModel();
    const source = await Step.push({ name: 'source' });
    const leaves = Array.from({ length: 10_000 }, (_, index) => ({ name: `leaf ${index}`, after: [source._id] }));
    for (let start = 0; start < leaves.length; start += 2_500) await Step.push(leaves.slice(start, start + 2_500));
    const [first, ...others] = await Step.popMany(10);

    await first!.finish();
    let popped = 0;
    for (let batch = await Step.popMany(500); batch.length > 0; batch = await Step.popMany(500)) popped += batch.length;

    expect([first!.name, others.length]).toEqual(['source', 0]);
    expect(popped).toBe(10_000);
    await expect(Step.countDocuments({ '_task.claims': 1 })).resolves.toBe(10_001);
  });

  const pushChain = async (Link: ReturnType<typeof linkModel>, length: number) => {
    const links = [await Link.push({ number: 0 })];
    for (let number = 1; number < length; number++) links.push(await Link.push({ number, after: links.at(-1)!._id }));
    return links;
  };

  const linkModel = () => {
    const name = `Link${collection++}`;
    const schema = new Schema({ number: Number, after: { type: ObjectId, ref: name, dependsOn: 'DIRECT' as const } });
    return database.connection.model(name, taskQueue(schema));
  };

  const stepModel = () => {
    const name = `Step${collection++}`;
    const schema = new Schema({ name: String, after: [{ type: ObjectId, ref: name, dependsOn: 'ALL_OF' as const }] });
    return database.connection.model(name, taskQueue(schema));
  };
});

describe.each([
  { title: 'whose workers are killed, with short re-checks', recheckMs: 300, kills: 5, nodes: 600 },
  // Re-checks would hide a wake-up that was lost: here none comes in time.
  { title: 'whose workers live, with re-checks of ten minutes', recheckMs: 600_000, kills: 0, nodes: 600 },
])('a random graph $title', ({ recheckMs, kills, nodes }) => {
  const database = useDatabase();
  const seed = PROPERTY_SEED;

  it(`is popped in an order that holds, every node, by 4 processes (seed ${seed})`, async () => {
    const Node = database.connection.model(
      'Node',
      taskQueue(new Schema({ name: Number, after: [{ type: ObjectId, ref: 'Node', dependsOn: 'ALL_OF' as const }] }), {
        leaseMs: 400,
        maxAttempts: 1_000,
        recheckMs,
      }),
    );
    await Node.ensureTaskIndexes();
    const random = randomFrom(seed);
    const workers = Array.from({ length: 4 }, () => startProgram('graph-worker', { uri: database.uri, recheckMs }));
    const all: Child[] = [...workers];

    const ids: Types.ObjectId[] = [];
    for (let start = 0; start < nodes; start += 200) {
      const batch = Array.from({ length: 200 }, (_, index) => ({ name: start + index, after: some(ids, random) }));
      ids.push(...(await Node.push(batch)).map(({ _id }) => _id));
    }
    for (let kill = 0; kill < kills; kill++) {
      const before = all.flatMap(({ messages }) => messages).length;
      await eventually(() => expect(all.flatMap(({ messages }) => messages).length).toBeGreaterThan(before + 20));
      const victim = Math.floor(random() * workers.length);
      workers[victim]!.kill('SIGKILL');
      all.push((workers[victim] = startProgram('graph-worker', { uri: database.uri, recheckMs })));
    }
    await eventually(async () => expect(await Node.countDocuments({ state: { $ne: 'FINISHED' } })).toBe(0), {
      timeoutMs: 240_000,
    });
    for (const worker of workers) worker.kill('SIGKILL');
    await Promise.all(all.map(({ exit }) => exit));

    const popped = all.flatMap(({ messages }) => messages);
    expect(popped.filter(({ open }) => open !== 0)).toEqual([]);
    // A claim for each attempt and no two of one node with the same number.
    expect(new Set(popped.map(({ popped: name, fence }) => `${String(name)}:${String(fence)}`)).size).toBe(
      popped.length,
    );
    if (kills === 0) expect(popped.length).toBe(nodes);
  }, 300_000);
});

/** Up to four of the earlier ones, of the latest more often. */
function some(ids: readonly Types.ObjectId[], random: () => number): Types.ObjectId[] {
  const count = Math.min(ids.length, Math.floor(random() * 5));

  return Array.from({ length: count }, () => ids[Math.floor(ids.length * Math.sqrt(random()))]!);
}
