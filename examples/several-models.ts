// One worker for two models: reports get a third of its slots, e-mails two thirds, and neither starves the other.
// Each model brings its own `run` method, so the worker needs no handler.
// Run it with: npm run example -- several-models
import { connect, disconnect, model, Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';

const order: string[] = [];

const emailSchema = new Schema({ to: String }, { methods: { run: () => void order.push('email') } });
const reportSchema = new Schema({ month: String }, { methods: { run: () => void order.push('report') } });
const Email = model('Email', taskQueue(emailSchema));
const Report = model('Report', taskQueue(reportSchema));

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/several-models');
  for (const type of [Email, Report]) await type.collection.deleteMany({});
  await Email.push(Array.from({ length: 60 }, (_, index) => ({ to: `${index}@example.org` })));
  await Report.push(Array.from({ length: 6 }, (_, index) => ({ month: `2027-0${index + 1}` })));

  const worker = new Worker([{ model: Email, weight: 2 }, { model: Report }], { concurrency: 3 });
  const done = new Promise<void>((resolve) => {
    let finished = 0;
    worker.on('finished', () => ++finished === 66 && resolve());
  });
  await worker.start();
  await done;
  await worker.stop();

  console.log('worked on', order.length, 'tasks');
  console.log(
    'e-mails before the last report:',
    order.lastIndexOf('report') - 5 < 30 ? 'less than half' : 'more than half',
  );
  await disconnect();
}

void main();
