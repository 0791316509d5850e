// Tasks of later and tasks that recur: one per key, however often the program starts.
// Run it with: npm run example -- schedule
import { connect, disconnect, model, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';

const CleanUp = model('CleanUp', taskQueue(new Schema({ what: String })));

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/schedule');
  await CleanUp.deleteMany();

  await CleanUp.push({ what: 'carts' }, { delayMs: 60_000 });
  await CleanUp.push({ what: 'logs' }, { cron: '0 3 * * *', timeZone: 'Europe/Berlin', key: 'nightly' });
  const sessions = await CleanUp.push({ what: 'sessions' }, { every: 20, key: 'sessions' });
  const again = await CleanUp.push({ what: 'sessions' }, { every: 20, key: 'sessions' });
  console.log('the same task:', again.id === sessions.id);

  let runs = 0;
  for await (const task of CleanUp.queue({ pollMs: 100 })) {
    runs++;
    await task.finish(); // in the same write it is due again, 20 ms after it was due
    if (runs === 3) await task.unschedule();
    if (runs === 3) break;
  }
  console.log('runs:', runs, '- state now:', (await CleanUp.findById(sessions))?.state);
  console.log('left in the queue:', await CleanUp.countDocuments({ state: 'CREATED' }));
  await disconnect();
}

void main();
