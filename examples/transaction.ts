// One transaction for the business write and the end of the task: both happen, or neither. Needs a replica set.
// Run it with: npm run example -- transaction
import { connect, disconnect, model, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';

const Account = model('Account', new Schema({ owner: String, balance: Number }));
const Transfer = model('Transfer', taskQueue(new Schema({ from: String, to: String, amount: Number })));

async function transfer(mayFail: boolean): Promise<void> {
  const task = await Transfer.pop();
  if (!task) return;
  try {
    await Transfer.db.transaction(async (session) => {
      await Account.updateOne({ owner: task.from! }, { $inc: { balance: -task.amount! } }, { session });
      if (mayFail) throw new Error('the bank is closed');
      await Account.updateOne({ owner: task.to! }, { $inc: { balance: task.amount! } }, { session });
      await task.finish({ session });
    });
  } catch (error) {
    await task.retry({ error, delayMs: 0 }); // nothing was written: the handle still holds the task
  }
  const balances = await Account.find().sort({ owner: 1 });
  console.log(task.state, balances.map(({ owner, balance }) => `${owner} ${balance}`).join(', '));
}

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/bank');
  for (const type of [Account, Transfer]) await type.collection.deleteMany({});
  await Account.create([
    { owner: 'ada', balance: 100 },
    { owner: 'grace', balance: 0 },
  ]);
  await Transfer.push({ from: 'ada', to: 'grace', amount: 30 });

  await transfer(true);
  await transfer(false);
  await disconnect();
}

void main();
