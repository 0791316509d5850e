import { expectTypeOf } from 'expect-type';
import { model, Schema, type Model } from 'mongoose';
import {
  taskQueue,
  type State,
  type TaskDocument,
  type TaskFields,
  type TaskMethods,
  type TaskModel,
  type TaskStatics,
} from 'mongoose-task-queue';

interface IMail {
  to: string;
  cc?: string;
}

const schema = new Schema<IMail & TaskFields, TaskModel<IMail>, TaskMethods>({
  to: { type: String, required: true },
  cc: String,
});
schema.plugin(taskQueue, { leaseMs: 60_000 });
const Mail = model<IMail & TaskFields, TaskModel<IMail>>('Mail', schema);

export async function declaredModelsArePopped(): Promise<void> {
  const task = (await Mail.pop())!;

  expectTypeOf(task).not.toBeAny();
  expectTypeOf(task).toEqualTypeOf<TaskDocument<IMail>>();
  expectTypeOf(task.state).toEqualTypeOf<State>();
  expectTypeOf(await task.finish()).toEqualTypeOf<TaskDocument<IMail>>();
  expectTypeOf(await Mail.push({ to: 'ada@example.org', priority: 3 })).toEqualTypeOf<TaskDocument<IMail>>();
  expectTypeOf(await Mail.findOne().orFail()).toEqualTypeOf<TaskDocument<IMail>>();
  // @ts-expect-error not in the interface
  void task.bcc;
  // @ts-expect-error not in the interface
  await Mail.push({ bcc: 'ada@example.org' });
  // @ts-expect-error `push` sets the state
  await Mail.push({ to: 'ada@example.org', state: 'FINISHED' });
}

interface MailMethods {
  isLocal(): boolean;
}
interface MailModel extends Model<IMail & TaskFields, {}, TaskMethods & MailMethods>, TaskStatics {
  countTo(to: string): Promise<number>;
}
const ownSchema = new Schema<IMail & TaskFields, MailModel, TaskMethods & MailMethods>({ to: String, cc: String });
ownSchema.plugin(taskQueue);
ownSchema.statics['countTo'] = function (this: MailModel, to: string) {
  return this.countDocuments({ to, state: 'CREATED' });
};
const Own = model<IMail & TaskFields, MailModel>('Own', ownSchema);

export async function declaredStaticsAndMethodsStay(): Promise<void> {
  const task = (await Own.pop())!;

  expectTypeOf(task).not.toBeAny();
  expectTypeOf(task.isLocal()).toEqualTypeOf<boolean>();
  expectTypeOf((await task.finish()).isLocal()).toEqualTypeOf<boolean>();
  expectTypeOf(Own.countTo('ada@example.org')).toEqualTypeOf<Promise<number>>();
  expectTypeOf((await Own.push([{ to: 'ada@example.org' }]))[0]!.state).toEqualTypeOf<State>();
}

type Renamed = { fields: { state: 'taskState' }; category: true };
interface IAddress {
  street: string;
  state: string;
}

export async function optionsCanBeDeclared(
  Letter: TaskModel<IAddress, Renamed>,
  Plain: TaskModel<IMail, { bind: false }>,
): Promise<void> {
  const task = (await Letter.pop({ category: new Set(['abroad']) }))!;

  expectTypeOf(task.state).toEqualTypeOf<string>();
  expectTypeOf(task.taskState).toEqualTypeOf<State>();
  expectTypeOf(task.category).toEqualTypeOf<string | null | undefined>();
  await Letter.push({ street: 'Main St', state: 'NY', category: 'abroad' });
  // @ts-expect-error `push` sets the state, whatever its name
  await Letter.push({ street: 'Main St', taskState: 'CREATED' });
  // @ts-expect-error no statics with `bind: false`
  await Plain.pop();
  // @ts-expect-error misspelt
  expectTypeOf<TaskModel<IMail, { categry: true }>>().not.toBeAny();
}

/** As NestJS injects a model: `constructor(@InjectModel('Mail') private readonly mails: TaskModel<IMail>) {}`. */
export class MailService {
  constructor(private readonly mails: TaskModel<IMail>) {}

  async send(to: string): Promise<State> {
    await this.mails.push({ to });
    for await (const mail of this.mails.queue()) await this.deliver(mail);

    return (await this.mails.findOne({ to }).orFail()).state;
  }

  private async deliver(mail: TaskDocument<IMail>): Promise<void> {
    await mail.finish();
  }
}

export const service = new MailService(Mail);
