import { Schema, Types } from 'mongoose';
import { DependencyType, taskQueue } from 'mongoose-task-queue';
import { doctor } from 'mongoose-task-queue/doctor';
import { useDatabase } from '../support/database';
import { nativeOf, rawUpdate, stored } from '../support/raw';

const { ObjectId } = Schema.Types;
const DAY_MS = 86_400_000;

describe('doctor', () => {
  const database = useDatabase();
  const makeModels = () => {
    const { connection } = database;
    const Order = connection.model('Order', new Schema({ status: String }));
    const Report = connection.model(
      'Report',
      taskQueue(
        new Schema({
          order: { type: ObjectId, ref: 'Order', dependsOn: { type: DependencyType.DIRECT, when: { status: 'paid' } } },
        }),
        { expireAfterSeconds: 86_400 },
      ),
    );

    return { Order, Report };
  };
  type Models = ReturnType<typeof makeModels>;
  let Order: Models['Order'];
  let Report: Models['Report'];

  beforeAll(() => {
    ({ Order, Report } = makeModels());
  });
  beforeEach(async () => {
    await nativeOf(Report).deleteMany({});
    await nativeOf(Order).deleteMany({});
    await Report.ensureTaskIndexes();
  });

  /** What one check finds; with `fix` after it was repaired. */
  async function look(check: string, fix = false) {
    const diagnoses = await doctor([Report], { fix });
    const diagnosis = diagnoses.find((one) => one.check === check);
    if (!diagnosis) throw new Error(`There is no check ${check}`);

    return diagnosis;
  }

  /** A task that is parked behind an order, and marked as such. */
  async function parked() {
    const order = await Order.create({ status: 'open' });
    const report = await Report.push({ order: order._id });
    expect((await stored(Report, report._id))['_task'].waitingOn).toHaveLength(1);

    return { order, report };
  }

  it('finds nothing in a queue that is well', async () => {
    await parked();
    await Report.push({});
    await Report.push({}, { key: 'nightly' });

    const diagnoses = await doctor([Report]);

    expect(diagnoses.flatMap(({ findings, notes }) => [...findings, ...notes])).toEqual([]);
    expect(diagnoses.map(({ check, ok }) => ok || check)).toEqual(diagnoses.map(() => true));
  });

  it('tells how many checks are done', async () => {
    const told: [number, number][] = [];

    const diagnoses = await doctor([Report], { onProgress: (done, of) => told.push([done, of]) });

    expect(told).toEqual(diagnoses.map((_, index) => [index + 1, diagnoses.length]));
  });

  describe('indexes', () => {
    it('finds and creates a missing one, that of a mark included', async () => {
      const [outbox] = (await nativeOf(Order).indexes()).filter(({ name }) => name!.startsWith('task_outbox'));
      await nativeOf(Report).dropIndex('task_claim');
      await nativeOf(Order).dropIndex(outbox!.name!);

      const found = await look('indexes');

      expect(found).toMatchObject({ ok: false });
      expect(found.findings.map(({ text }) => text)).toEqual([
        expect.stringContaining('reports lacks the index task_claim'),
        expect.stringContaining(`orders lacks the index ${outbox!.name}`),
      ]);
      expect(await nativeOf(Report).indexExists('task_claim')).toBe(false);

      expect(await look('indexes', true)).toMatchObject({ ok: true, findings: [{ fixed: true }, { fixed: true }] });
      expect(await nativeOf(Report).indexExists('task_claim')).toBe(true);
      expect(await look('indexes')).toMatchObject({ ok: true, findings: [] });
    });

    it('finds and changes another expiry', async () => {
      await Report.db.db!.command({ collMod: 'reports', index: { name: 'task_expiry', expireAfterSeconds: 60 } });

      expect(await look('indexes')).toMatchObject({
        ok: true,
        findings: [
          { severity: 'warning', text: 'reports.task_expiry expires after 60 seconds, the schema says 86400' },
        ],
      });
      expect(await look('indexes', true)).toMatchObject({ findings: [{ fixed: true }] });
    });

    it('says what to do about one that differs, and leaves it', async () => {
      await nativeOf(Report).dropIndex('task_claim');
      await nativeOf(Report).createIndex({ priority: 1 }, { name: 'task_claim' });

      const found = await look('indexes', true);

      expect(found).toMatchObject({ ok: false, findings: [{ fixed: false }] });
      expect(found.findings[0]!.hint).toContain("db.reports.dropIndex('task_claim')");
      await nativeOf(Report).dropIndex('task_claim');
    });

    it('finds a hidden one', async () => {
      await Report.db.db!.command({ collMod: 'reports', index: { name: 'task_claim', hidden: true } });

      const found = await look('indexes');

      await Report.db.db!.command({ collMod: 'reports', index: { name: 'task_claim', hidden: false } });
      expect(found).toMatchObject({ ok: false, findings: [{ text: expect.stringContaining('hidden') }] });
    });

    it('are not needed for the other checks, which say that they did not look', async () => {
      await nativeOf(Report).dropIndex('task_claim');

      expect(await look('leases')).toMatchObject({
        ok: true,
        notes: ['Report: not looked at: an index is missing'],
      });
    });
  });

  describe('waiting', () => {
    it('finds a task whose dependency carries no mark, and sets it', async () => {
      const { order, report } = await parked();
      await rawUpdate(Order, order._id, { $unset: { _task: '' } });

      expect(await look('waiting')).toMatchObject({
        ok: false,
        findings: [{ text: expect.stringContaining(String(report._id)), severity: 'error' }],
      });
      expect(await stored(Order, order._id)).not.toHaveProperty('_task');

      expect(await look('waiting', true)).toMatchObject({ ok: true, findings: [{ fixed: true }] });
      await rawUpdate(Order, order._id, { $set: { status: 'paid' } });
      expect((await Report.pop())?._id).toEqual(report._id);
    });

    it('lets a task go whose dependency was met without a mark', async () => {
      const { order, report } = await parked();
      await rawUpdate(Order, order._id, { $unset: { _task: '' }, $set: { status: 'paid' } });

      expect(await look('waiting', true)).toMatchObject({ ok: true, findings: [{ fixed: true }] });
      expect((await stored(Report, report._id))['_task']).not.toHaveProperty('waitingOn');
    });

    it('finds a task without a re-check, and puts it back if it is ready', async () => {
      const { order, report } = await parked();
      await rawUpdate(Order, order._id, { $set: { status: 'paid' } });
      await rawUpdate(Report, report._id, { $unset: { '_task.recheckAt': '' } });

      expect(await look('waiting')).toMatchObject({
        ok: false,
        findings: [{ text: expect.stringContaining('without a re-check') }],
      });
      expect(await look('waiting', true)).toMatchObject({ ok: true, findings: [{ fixed: true }] });
      expect((await stored(Report, report._id))['_task']).not.toHaveProperty('waitingOn');
    });

    it('finds a re-check that is late, and makes it', async () => {
      const { report } = await parked();
      await rawUpdate(Report, report._id, { $set: { '_task.recheckAt': new Date(Date.now() - 120_000) } });

      expect(await look('waiting')).toMatchObject({ ok: true, findings: [{ severity: 'warning' }] });
      expect(await look('waiting', true)).toMatchObject({ findings: [{ fixed: true }] });
      expect((await stored(Report, report._id))['_task'].recheckAt.getTime()).toBeGreaterThan(Date.now() - 60_000);
    });

    it('finds a task that waits for a change which no model declares', async () => {
      const { report } = await parked();
      const waitingOn = [{ mark: 'f00', id: new Types.ObjectId() }];
      await rawUpdate(Report, report._id, { $set: { '_task.waitingOn': waitingOn } });

      expect(await look('waiting', true)).toMatchObject({ ok: true, findings: [{ fixed: true }] });
      expect((await stored(Report, report._id))['_task'].waitingOn).not.toEqual(waitingOn);
    });

    it('finds a task that is put off for ever and waits for nothing, and leaves it', async () => {
      const { report } = await parked();
      await rawUpdate(Report, report._id, { $unset: { '_task.waitingOn': '', '_task.recheckAt': '' } });

      expect(await look('waiting', true)).toMatchObject({
        ok: false,
        findings: [{ text: expect.stringContaining('put off for ever') }],
      });
    });
  });

  describe('marks', () => {
    it('finds one for which no task waits, and takes it off', async () => {
      const { order, report } = await parked();
      await nativeOf(Report).deleteOne({ _id: report._id });

      expect(await look('marks')).toMatchObject({ ok: true, findings: [{ severity: 'warning' }] });
      expect(await stored(Order, order._id)).toHaveProperty('_task');

      expect(await look('marks', true)).toMatchObject({ findings: [{ fixed: true }] });
      expect(await stored(Order, order._id)).not.toHaveProperty('_task');
    });

    it('leaves those for which a task waits', async () => {
      const { order } = await parked();

      expect(await look('marks', true)).toMatchObject({ findings: [] });
      expect(await stored(Order, order._id)).toHaveProperty('_task.armed');
    });

    it('names those that may be of other programs', async () => {
      await nativeOf(Order).createIndex({ '_task.armed.f00': 1 }, { name: 'task_outbox_f00' });

      const { notes } = await look('marks');

      await nativeOf(Order).dropIndex('task_outbox_f00');
      expect(notes).toEqual([expect.stringContaining('task_outbox_f00')]);
    });
  });

  describe('keys', () => {
    it('finds a task that waits behind one that is gone, and lets it start', async () => {
      await Report.push({}, { key: 'k' });
      const running = await Report.pop();
      const successor = await Report.push({}, { key: 'k', onDuplicate: 'after' });
      expect(await look('keys')).toMatchObject({ findings: [] });
      await nativeOf(Report).deleteOne({ _id: running!._id });

      expect(await look('keys')).toMatchObject({ findings: [{ text: expect.stringContaining('"k"') }] });
      expect(await Report.pop()).toBeNull();

      expect(await look('keys', true)).toMatchObject({ findings: [{ fixed: true }] });
      expect((await Report.pop())?._id).toEqual(successor._id);
    });
  });

  describe('leases', () => {
    it('finds tasks that are held for more than a day, and those that nobody took over', async () => {
      const startedAt = new Date(Date.now() - 2 * DAY_MS);
      const ids = [];
      for (const ms of [60_000, -60_000]) {
        await Report.push({});
        const task = await Report.pop();
        await rawUpdate(Report, task!._id, {
          $set: { '_task.startedAt': startedAt, '_task.availableAt': new Date(Date.now() + ms) },
        });
        ids.push(String(task!._id));
        if (ms > 0) expect((await look('leases')).findings).toHaveLength(1);
      }

      expect((await look('leases')).findings.map(({ text }) => text)).toEqual([
        expect.stringMatching(`^1 task held.*${ids[0]}`),
        expect.stringMatching(`^1 task started.*${ids[1]}`),
      ]);
    });
  });

  describe('bookkeeping', () => {
    it('counts tasks with values of a wrong type', async () => {
      const [one, other] = [await Report.push({}), await Report.push({})];
      await rawUpdate(Report, one._id, { $set: { '_task.availableAt': /never/ } });
      await rawUpdate(Report, other._id, { $set: { '_task.attempts': 'three', '_task.token': 5 } });

      const found = await look('bookkeeping');

      expect(found.ok).toBe(false);
      expect(found.findings.map(({ text, severity }) => [severity, text])).toEqual([
        ['warning', `1 task with a \`_task.attempts\` of a wrong type: ${String(other._id)}`],
        ['error', `1 task with a \`_task.availableAt\` of a wrong type: ${String(one._id)}`],
        ['warning', `1 task with a \`_task.token\` of a wrong type: ${String(other._id)}`],
      ]);
    });
  });

  describe('claim', () => {
    it('finds an index that does not serve it', async () => {
      await nativeOf(Report).dropIndex('task_claim');
      await nativeOf(Report).createIndex({ priority: 1 }, { name: 'task_claim' });

      const found = await look('claim');

      await nativeOf(Report).dropIndex('task_claim');
      expect(found).toMatchObject({ ok: false, findings: [{ text: expect.stringContaining('sorts') }] });
    });

    it('finds that it looks at many keys', async () => {
      const availableAt = new Date(Date.now() + DAY_MS);
      const tasks = Array.from({ length: 1_001 }, (_, index) => ({
        state: 'CREATED',
        priority: index / 1_000,
        _task: { availableAt },
      }));
      await nativeOf(Report).insertMany(tasks);

      expect(await look('claim')).toMatchObject({ findings: [{ text: expect.stringMatching(/looks at 1,\d+ keys/) }] });
    });

    it('looks at that of categories as well', async () => {
      const Mail = database.connection.model('CategoryMail', taskQueue(new Schema({}), { category: true }));
      await Mail.init();
      await Mail.ensureTaskIndexes();
      await Mail.push({ category: 'news' });
      await nativeOf(Mail).dropIndex('task_category');

      const [claim] = (await doctor([Mail])).filter(({ check }) => check === 'claim');

      expect(claim!.notes).toEqual(['CategoryMail: not looked at: an index is missing']);
    });
  });

  it('finds settings under which no claim can be told from a failed one', async () => {
    const Careless = database.connection.model(
      'Careless',
      taskQueue(new Schema({}, { writeConcern: { w: 0 }, autoIndex: false })),
    );

    const [server] = await doctor([Careless]);

    expect(server).toMatchObject({
      check: 'server',
      ok: false,
      findings: [{ text: expect.stringContaining('w: 0'), hint: expect.stringContaining('writeConcern') }],
    });
  });

  it('looks at a collection once, whichever of its kinds are named', async () => {
    const Job = database.connection.model('Job', taskQueue(new Schema({ to: String }, { discriminatorKey: 'kind' })));
    const Mail = Job.discriminator('Mail', new Schema({}));
    const Text = Job.discriminator('Text', new Schema({}));
    await Promise.all([Mail, Text].map((Model) => Model.ensureTaskIndexes()));
    const mail = await Mail.push({});
    await rawUpdate(Job, mail._id, { $set: { '_task.availableAt': 'soon' } });

    const diagnoses = await doctor([Text, Mail]);

    expect(diagnoses.flatMap(({ findings }) => findings)).toEqual([
      expect.objectContaining({ model: 'Job', text: expect.stringContaining('_task.availableAt') }),
    ]);
  });

  it('writes nothing without `fix`', async () => {
    const { order, report } = await parked();
    await rawUpdate(Order, order._id, { $unset: { _task: '' } });
    const before = [await stored(Order, order._id), await stored(Report, report._id)];

    await doctor([Report]);

    expect([await stored(Order, order._id), await stored(Report, report._id)]).toEqual(before);
  });
});
