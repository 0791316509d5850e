import { model, Schema, type Types } from 'mongoose';
import { DependencyType, DependsOn, Priority, taskQueue } from 'mongoose-task-queue';

export const Mail = model('Mail', taskQueue(new Schema({ to: { type: String, required: true } }), { leaseMs: 60_000 }));

export class Report {
  @DependsOn(DependencyType.ALL_OF)
  sources!: Types.ObjectId[];

  @DependsOn('DIRECT', { onFailed: 'fail', when: { status: 'paid' } })
  order?: Types.ObjectId;

  // @ts-expect-error no such type
  @DependsOn('EVERY')
  type!: Types.ObjectId;

  // @ts-expect-error no such option
  @DependsOn('DIRECT', { onfailed: 'fail' })
  option!: Types.ObjectId;

  // @ts-expect-error a method
  @DependsOn('DIRECT')
  method() {}
}

taskQueue(new Schema({ order: String }), { dependencies: { order: 'DIRECT' }, class: Report });
// @ts-expect-error no such type
taskQueue(new Schema({ order: String }), { dependencies: { order: 'EVERY' } });

export async function work(): Promise<string | undefined> {
  await Mail.push({ to: 'ada@example.org', priority: Priority.HIGH });
  const task = await Mail.pop();
  // @ts-expect-error no such field: the document is typed, not `any`
  void task?.subject;
  await task?.finish();
  return task?.to;
}

// @ts-expect-error no such option
taskQueue(new Schema({ to: String }), { leesMs: 60_000 });
