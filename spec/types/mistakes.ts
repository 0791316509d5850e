/** A mistake in one line of code, and what the compiler says of it, line by line. */
export interface Mistake {
  readonly code: string;
  readonly says: readonly string[];
}

/** What the mistakes are made with. */
export const PRELUDE = `
import { model, Schema } from 'mongoose';
import { DependsOn, push, runWorkers, taskQueue, Worker } from 'mongoose-task-queue';

const size = { type: String, enum: ['small', 'large'] as const };
const Mail = model('Mail', taskQueue(new Schema({ to: { type: String, required: true }, size })));
const Parcel = model('Parcel', taskQueue(new Schema({ grams: { type: Number, required: true } })));
const Plain = model('Plain', new Schema({ to: String }));
declare const mail: InstanceType<typeof Mail>;
declare const worker: Worker<InstanceType<typeof Mail>>;
`.trim();

export const MISTAKES: readonly Mistake[] = [
  {
    code: `worker.on('faild', () => {});`,
    says: [
      `Argument of type '"faild"' is not assignable to parameter of type '"cancelled" | "error" | "failed" | "finished" | "idle" | "lost" | "released" | "retried" | "slow" | "started" | "stopped"'.`,
    ],
  },
  {
    code: `worker.once('faild', (task) => void task);`,
    says: [
      `Argument of type '"faild"' is not assignable to parameter of type '"cancelled" | "error" | "failed" | "finished" | "idle" | "lost" | "released" | "retried" | "slow" | "started" | "stopped"'.`,
      `Parameter 'task' implicitly has an 'any' type.`,
    ],
  },
  {
    code: `worker.on('failed', (task, error) => task.too);`,
    says: [`Property 'too' does not exist on type 'Document<…>'.`],
  },
  {
    code: `runWorkers('./worker.js').on('exitd', () => {});`,
    says: [`Argument of type '"exitd"' is not assignable to parameter of type '"exited" | "started" | "stopped"'.`],
  },
  {
    code: `Mail.push({ to: 'ada', priority: 'URGENT' });`,
    says: [`Type 'string' is not assignable to type 'number'.`],
  },
  {
    code: `Mail.push([{ to: 'ada' }, { to: 'alan', priority: 'URGENT' }]);`,
    says: [`Type 'string' is not assignable to type 'number'.`],
  },
  {
    code: `Mail.push({ to: 'ada', size: 'huge' });`,
    says: [`Type '"huge"' is not assignable to type '"large" | "small" | RegExp | null'.`],
  },
  {
    code: `Mail.push([{ to: 'ada', size: 'small' }, { to: 'alan', size: 'huge' }]);`,
    says: [`Type '"huge"' is not assignable to type '"large" | "small" | RegExp | null'.`],
  },
  {
    code: `Mail.push({ too: 'ada' });`,
    says: [`Object literal may only specify known properties, and 'too' does not exist in type 'TaskInput<…>'.`],
  },
  {
    code: `Mail.push([{ to: 'ada' }, { too: 'alan' }]);`,
    says: [`Object literal may only specify known properties, and 'too' does not exist in type 'TaskInput<…>'.`],
  },
  {
    code: `Mail.push({ to: 'ada', state: 'FINISHED' });`,
    says: [`Type 'string' is not assignable to type 'SetByPush'.`],
  },
  {
    code: `Mail.push({ to: 'ada' }, { delay: 1_000 });`,
    says: [
      `Object literal may only specify known properties, but 'delay' does not exist in type 'PushOptions'. Did you mean to write 'delayMs'?`,
    ],
  },
  {
    code: `Mail.push([{ to: 'ada' }], { delay: 1_000 });`,
    says: [
      `Object literal may only specify known properties, but 'delay' does not exist in type 'PushOptions'. Did you mean to write 'delayMs'?`,
    ],
  },
  {
    code: `Mail.push([{ to: 'ada' }], { key: 'ada', onDuplicate: 'overwrite' });`,
    says: [
      `Type '"overwrite"' is not assignable to type '"after" | "debounce" | "keep" | "replace" | "supersede" | undefined'.`,
    ],
  },
  {
    code: `Plain.push({ to: 'ada' });`,
    says: [`Property 'push' does not exist on type 'Model<…>'.`],
  },
  {
    code: `Mail.pop({ catgory: 'abroad' });`,
    says: [
      `Object literal may only specify known properties, but 'catgory' does not exist in type 'PopOptions'. Did you mean to write 'category'?`,
    ],
  },
  {
    code: 'mail.finnish();',
    says: [`Property 'finnish' does not exist on type 'Document<…>'. Did you mean 'finish'?`],
  },
  {
    code: 'mail.retry({ delay: 1_000 });',
    says: [
      `Object literal may only specify known properties, but 'delay' does not exist in type 'RetryOptions'. Did you mean to write 'delayMs'?`,
    ],
  },
  {
    code: `Mail.requeue({ state: 'FAILD' });`,
    says: [`Type '"FAILD"' is not assignable to type 'StrictCondition<…>'. Did you mean '"FAILED"'?`],
  },
  {
    code: 'new Worker(Plain);',
    says: [
      `Argument of type 'Model<…>' is not assignable to parameter of type 'WorkerModels'.`,
      `Type 'Model<…>' is not assignable to type 'QueueOf<…>'.`,
      `Property '[hasTaskQueue]' is missing in type 'Model<…>' but required in type 'WithTaskQueue'.`,
    ],
  },
  {
    code: 'new Worker([Mail, Plain]);',
    says: [
      `Type 'Model<…>' is not assignable to type 'QueueOf<…> | WeightedModel<…>'.`,
      `Type 'Model<…>' is not assignable to type 'QueueOf<…>'.`,
      `Property '[hasTaskQueue]' is missing in type 'Model<…>' but required in type 'WithTaskQueue'.`,
    ],
  },
  {
    code: 'new Worker([Mail, { model: Plain, weight: 2 }]);',
    says: [
      `Type 'Model<…>' is not assignable to type 'QueueOf<…>'.`,
      `Property '[hasTaskQueue]' is missing in type 'Model<…>' but required in type 'WithTaskQueue'.`,
    ],
  },
  {
    code: `new Worker([Mail, 'Parcel']);`,
    says: [`Type 'string' is not assignable to type 'QueueOf<…> | WeightedModel<…>'.`],
  },
  {
    code: 'new Worker([Mail, Parcel], { concurency: 8 });',
    says: [
      `Object literal may only specify known properties, but 'concurency' does not exist in type 'WorkerOptions<…>'. Did you mean to write 'concurrency'?`,
    ],
  },
  {
    code: 'new Worker(Mail, { handler: (task) => task.too });',
    says: [`Property 'too' does not exist on type 'Document<…>'.`],
  },
  {
    code: 'new Worker([Mail, Parcel], { handler: (task) => task.to });',
    says: [
      `Property 'to' does not exist on type '(Document<…>) | (Document<…> & ... 1 more ... & HydratedDocumentOverrides<…>)'.`,
      `Property 'to' does not exist on type 'Document<…>'.`,
    ],
  },
  {
    code: 'new Worker(Mail, { handler: (task: { grams: number }) => task.grams });',
    says: [
      `Type '(task: { grams: number; }) => number' is not assignable to type 'TaskHandler<…>'.`,
      `Types of parameters 'task' and 'task' are incompatible.`,
      `Property 'grams' is missing in type 'Document<…>' but required in type '{ grams: number; }'.`,
    ],
  },
  {
    code: 'taskQueue(new Schema({ to: String }), { leaseMS: 60_000 });',
    says: [
      `Object literal may only specify known properties, but 'leaseMS' does not exist in type 'TaskQueueOptions & { fields?: { state?: "state" | undefined; priority?: "priority" | undefined; createdAt?: "createdAt" | undefined; category?: "category" | undefined; }; category?: false | undefined; bind?: true | undefined; }'. Did you mean to write 'leaseMs'?`,
    ],
  },
  {
    code: `taskQueue(new Schema({ to: String }), { dependencies: { to: 'ALLOF' } });`,
    says: [`Type '"ALLOF"' is not assignable to type 'DependencyDeclaration'. Did you mean '"ALL_OF"'?`],
  },
  {
    code: `DependsOn('ALLOF');`,
    says: [`Argument of type '"ALLOF"' is not assignable to parameter of type 'DependencyType'.`],
  },
];
