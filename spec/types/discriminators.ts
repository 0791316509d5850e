import { expectTypeOf } from 'expect-type';
import { model, Schema } from 'mongoose';
import { taskQueue, type State } from 'mongoose-task-queue';

const Message = model(
  'Message',
  taskQueue(new Schema({ to: { type: String, required: true } }, { discriminatorKey: 'kind' })),
);
const Sms = Message.discriminator('Sms', new Schema({ segments: { type: Number, required: true } }));

export async function aKindHasTheVerbs(): Promise<void> {
  const task = (await Sms.pop())!;

  expectTypeOf(task).not.toBeAny();
  expectTypeOf(task.to).toEqualTypeOf<string>();
  expectTypeOf(task.segments).toEqualTypeOf<number>();
  expectTypeOf(task.state).toEqualTypeOf<State>();
  expectTypeOf(await task.finish()).toEqualTypeOf<typeof task>();
  expectTypeOf(await Sms.push({ to: '+15550100', segments: 1 })).toEqualTypeOf<typeof task>();
  // @ts-expect-error unknown key
  await Sms.push({ segment: 1 });
}

export async function theBaseDoesNotHaveTheFieldsOfAKind(): Promise<void> {
  const task = (await Message.pop())!;

  expectTypeOf(task.to).toEqualTypeOf<string>();
  // @ts-expect-error a field of one kind
  void task.segments;
}
