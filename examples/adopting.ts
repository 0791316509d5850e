// A collection that has data becomes a queue: what counts as a task, a back-fill in parts, old code that goes on beside it.
// Run it with: npm run example -- adopting
import { connect, disconnect, model, Schema, type Types } from 'mongoose';
import { Priority, taskQueue, Worker } from 'mongoose-task-queue';

const fields = { to: String, amount: Number, sentAt: Date };

// The old code: it knows nothing of the queue.
const OldInvoice = model('OldInvoice', new Schema(fields), 'invoices');

// The new code. Its documents are records, so no index may ever delete them.
const Invoice = model('Invoice', taskQueue(new Schema(fields), { expireAfterSeconds: false }), 'invoices');

/** Makes tasks of the invoices that were not sent, in parts, so that no write is long. Run again after a stop, it goes on. */
async function backfill(part: number): Promise<number> {
  let count = 0;
  let after: Types.ObjectId | null = null;
  for (;;) {
    const left = { sentAt: null, state: { $exists: false }, ...(after && { _id: { $gt: after } }) };
    const ids: Types.ObjectId[] = (await OldInvoice.find(left, '_id').sort('_id').limit(part).lean()).map(
      ({ _id }) => _id,
    );
    if (ids.length === 0) return count;

    const isOpen = { _id: { $in: ids }, sentAt: null, state: { $exists: false } };
    const { modifiedCount } = await Invoice.updateMany(isOpen, { state: 'CREATED', priority: Priority.LOW });
    count += modifiedCount;
    after = ids.at(-1)!;
  }
}

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/adopting');
  await OldInvoice.deleteMany();
  const stored = Array.from({ length: 1_000 }, (_, n) => ({ to: `${n}@example.org`, amount: n }));
  await OldInvoice.insertMany(stored.map((one, n) => (n < 400 ? { ...one, sentAt: new Date(0) } : one)));

  // Look before: a stored `state` of CREATED or RUNNING would be a task at once.
  console.log('with a state:', await OldInvoice.countDocuments({ state: { $exists: true } }));
  await Invoice.ensureTaskIndexes(); // in a deploy step
  console.log('tasks before the back-fill:', (await Invoice.stats()).ready);

  console.log('back-filled:', await backfill(250));
  console.log('and again:', await backfill(250));

  // What the old code stores is no task until somebody pushes it.
  const late = await OldInvoice.create({ to: 'late@example.org' });
  console.log('ready:', (await Invoice.stats()).ready);
  await (await Invoice.findById(late))!.push(); // of medium priority, so before those of the back-fill

  let first: string | null | undefined;
  const worker = new Worker(Invoice, {
    concurrency: 50,
    handler: (invoice) => {
      first ??= invoice.to;
      invoice.sentAt = new Date();
    },
  });
  await worker.start();
  await worker.drained();
  await worker.stop();

  console.log('first:', first);
  console.log('finished:', await Invoice.countDocuments({ state: 'FINISHED' }));
  console.log('left as they were:', await OldInvoice.countDocuments({ state: { $exists: false } }));
  await disconnect();
}

void main();
