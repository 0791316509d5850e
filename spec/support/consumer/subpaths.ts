import { model, Schema } from 'mongoose';
import { taskQueue, Worker } from 'mongoose-task-queue';
import { dashboard } from 'mongoose-task-queue/dashboard';
import { doctor } from 'mongoose-task-queue/doctor';
import { drain } from 'mongoose-task-queue/testing';

const Email = model('Email', taskQueue(new Schema({ to: { type: String, required: true } })));
const Report = model('Report', taskQueue(new Schema({ pages: Number })));

export async function all(): Promise<number> {
  dashboard({ models: [Email, Report], authorize: () => true }).close();
  const diagnoses = await doctor([Email, Report]);
  new Worker([Email, Report], { handler: (task) => (task instanceof Email ? task.to : task.state) });
  // @ts-expect-error -- no such option
  const { finished } = await drain([Email, Report], { handler: () => {}, maximum: 10 });
  return finished + diagnoses.length;
}
