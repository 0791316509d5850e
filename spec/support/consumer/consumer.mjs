import { createRequire } from 'node:module';
import mongoose, { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';

const sameModule = createRequire(import.meta.url)('mongoose-task-queue').taskQueue === taskQueue;

const connection = await mongoose.createConnection(process.argv[2]).asPromise();
const Mail = connection.model('EsmMail', taskQueue(new Schema({ to: String })));
await Mail.push({ to: 'ada@example.org' });
const task = await Mail.pop();
await task.finish();
console.log(`${task.to} ${task.state} ${sameModule}`);
await connection.close();
