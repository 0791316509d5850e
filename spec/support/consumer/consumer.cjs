const mongoose = require('mongoose');
const { taskQueue } = require('mongoose-task-queue');

async function main(uri) {
  const connection = await mongoose.createConnection(uri).asPromise();
  const Mail = connection.model('CjsMail', taskQueue(new mongoose.Schema({ to: String })));
  await Mail.push({ to: 'ada@example.org' });
  const task = await Mail.pop();
  await task.finish();
  console.log(`${task.to} ${task.state}`);
  await connection.close();
}

void main(process.argv[2]);
