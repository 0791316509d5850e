import { getModelForClass, plugin, prop } from '@typegoose/typegoose';
import { expectTypeOf } from 'expect-type';
import { model, Schema } from 'mongoose';
import { TaskBase, taskQueue, type State } from 'mongoose-task-queue';

@plugin(taskQueue, { leaseMs: 60_000 })
class Mail extends TaskBase {
  @prop({ type: String, required: true })
  to!: string;

  isLocal(): boolean {
    return this.priority > 2 && this.to.endsWith('.local');
  }
}
const MailModel = getModelForClass(Mail);

export async function aTypegooseClassIsATask(): Promise<void> {
  const task = (await MailModel.pop())!;

  expectTypeOf(task).not.toBeAny();
  expectTypeOf(await MailModel.findOne().orFail()).toEqualTypeOf<typeof task>();
  expectTypeOf(task.to).toEqualTypeOf<string>();
  expectTypeOf(task.state).toEqualTypeOf<State>();
  expectTypeOf((await task.finish()).isLocal()).toEqualTypeOf<boolean>();
  expectTypeOf(await MailModel.push({ to: 'ada@example.org' })).toEqualTypeOf<typeof task>();
  // @ts-expect-error unknown key
  await MailModel.push({ too: 'ada@example.org' });
  // @ts-expect-error `push` sets the state
  await MailModel.push({ to: 'ada@example.org', state: 'CREATED' });
  // @ts-expect-error no such property
  void task.too;
  // @ts-expect-error abstract
  void new TaskBase();
}

// @ts-expect-error misspelt option
export const refused = plugin(taskQueue, { leesMs: 60_000 });

class Note {
  declare text: string;

  words(): string[] {
    return this.text.split(' ');
  }
}
const noteSchema = new Schema({ text: { type: String, required: true } });
const NoteModel = model('Note', taskQueue(noteSchema.loadClass(Note)));

export async function aLoadedClassDoesNotGetInTheWay(): Promise<void> {
  const task = (await NoteModel.pop())!;

  expectTypeOf(task.text).toEqualTypeOf<string>();
  expectTypeOf(task.state).toEqualTypeOf<State>();
}
