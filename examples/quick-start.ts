// A model becomes a task queue: push, pop, priorities, an endless queue, finish.
// Run it with: npm run example -- quick-start
import { connect, disconnect, model, Schema } from 'mongoose';
import { Priority, taskQueue } from 'mongoose-task-queue';

const Email = model('Email', taskQueue(new Schema({ to: { type: String, required: true }, sentAt: Date })));

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/quick-start');
  await Email.deleteMany();

  await new Email({ to: 'ada@example.org' }).push();
  await Email.push([{ to: 'grace@example.org' }, { to: 'urgent@example.org', priority: Priority.HIGH }]);

  const first = await Email.pop(); // the next ready task, held by a lease, or null
  console.log('popped', first?.to);
  await first?.finish();

  for await (const email of Email.queue()) {
    email.sentAt = new Date();
    await email.finish(); // saves sentAt and settles the task, in one write
    console.log('sent to', email.to);
    if (await Email.isEmpty()) break;
  }

  console.log('finished', await Email.countDocuments({ state: 'FINISHED' }));
  await disconnect();
}

void main();
