// What a project exports that writes declarations: the compiler has to name each type that it infers, by what the package exports.
import { model, Schema } from 'mongoose';
import {
  blockedBy,
  pop as popBy,
  push as pushBy,
  runWorkers,
  type TaskDocument,
  type TaskModel,
  taskQueue,
  Worker,
} from 'mongoose-task-queue';

export const emailSchema = taskQueue(new Schema({ to: { type: String, required: true }, sentAt: Date }));
export const Email = model('Email', emailSchema);
export const Report = model(
  'Report',
  taskQueue(new Schema({ pages: Number }), { fields: { state: 'taskState' }, category: true, bind: false }),
);

export const push = (to: string) => Email.push({ to });
export const pushMany = (to: string) => Email.push([{ to }]);
export const pushAll = () => Email.push(Email.find().cursor());
export const pop = () => Email.pop();
export const popMany = () => Email.popMany(3);
export const queue = () => Email.queue();
export const findByKey = () => Email.findByKey('a');
export const stats = () => Email.stats();
export const requeue = () => Email.requeue({});
export const cancel = () => Email.cancel({});
export const history = () => Email.history();
export const blocked = () => Email.blocked();
export const workers = () => Email.workers();
export const paused = () => Email.paused();
export const worker = new Worker(Email, { handler: async () => {} });
export const both = new Worker([Email, Report], { handler: async () => {} });
export const processes = () => runWorkers('./worker.js', { processes: 2 });
export const byFunctions = async () => [await pushBy(Report, { pages: 1 }), await popBy(Report)];
export const finish = async () => (await Email.pop())!.finish();
export const told = async () => {
  const email = (await Email.pop())!;
  const { lease, failures, cancelled, cancelRequested, pushOutcome, lastProgress } = email;
  return { lease, failures, cancelled, cancelRequested, pushOutcome, lastProgress, waits: await blockedBy(email) };
};

interface Mail {
  to: string;
}
export function ofModel(Mails: TaskModel<Mail>) {
  return {
    push: () => Mails.push({ to: 'ada@example.org' }),
    pop: () => Mails.pop(),
    queue: () => Mails.queue(),
    worker: new Worker(Mails, { handler: async () => {} }),
    find: () => Mails.findOne(),
  };
}
export const again = (mail: TaskDocument<Mail>) => mail.push();
