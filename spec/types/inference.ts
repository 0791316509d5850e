import { expectTypeOf } from 'expect-type';
import { createConnection, model, Schema, type ClientSession, type Types } from 'mongoose';
import { taskQueue, type Lease, type State, type TaskFailure, type TaskStats } from 'mongoose-task-queue';

interface IMail {
  to: string;
  cc?: string;
}

const mailSchema = taskQueue(
  new Schema({
    to: { type: String, required: true },
    tags: [String],
    source: { type: Schema.Types.ObjectId, ref: 'Source' },
  }),
  { leaseMs: 60_000, maxAttempts: 5, expireAfterSeconds: false, backoff: (attempt) => attempt * 1_000 },
);
const Mail = model('Mail', mailSchema);

export async function everyVerbHasTheTypeOfTheDocument(): Promise<void> {
  const task = await Mail.pop({ populate: ['source', { path: 'source' }] });
  expectTypeOf(task).not.toBeAny();
  expectTypeOf(task).toEqualTypeOf<InstanceType<typeof Mail> | null>();
  // @ts-expect-error nothing may have been ready
  void task.to;
  if (!task) return;

  expectTypeOf(task.to).toEqualTypeOf<string>();
  expectTypeOf(task.tags).toEqualTypeOf<string[]>();
  expectTypeOf(task._id).toEqualTypeOf<Types.ObjectId>();
  expectTypeOf(task.state).toEqualTypeOf<State>();
  expectTypeOf(task.priority).toEqualTypeOf<number>();
  expectTypeOf(task.createdAt).toEqualTypeOf<Date>();
  // @ts-expect-error only the option `category` adds the field
  void task.category;
  // @ts-expect-error the schema has no such path
  void task.too;

  expectTypeOf(task.lease).toEqualTypeOf<Lease | null>();
  expectTypeOf(task.attempts).toEqualTypeOf<number>();
  expectTypeOf(task.failures).toEqualTypeOf<readonly TaskFailure[]>();
  // @ts-expect-error read only
  task.attempts = 0;

  expectTypeOf(await task.push({ delayMs: 1_000 })).toEqualTypeOf<typeof task>();
  expectTypeOf(await task.finish()).toEqualTypeOf<typeof task>();
  expectTypeOf(await task.fail(new Error('no such address'))).toEqualTypeOf<typeof task>();
  expectTypeOf(await task.retry({ delayMs: 1_000, error: 'busy' })).toEqualTypeOf<typeof task>();
  expectTypeOf(await task.release()).toEqualTypeOf<typeof task>();
  expectTypeOf(task.renew(60_000)).toEqualTypeOf<Promise<Lease>>();

  expectTypeOf(await Mail.popMany(10)).toEqualTypeOf<(typeof task)[]>();
  for await (const next of Mail.queue({ pollMs: 500, signal: new AbortController().signal, onError: console.error })) {
    expectTypeOf(next).toEqualTypeOf<typeof task>();
  }
  expectTypeOf(Mail.isEmpty()).toEqualTypeOf<Promise<boolean>>();
  expectTypeOf(Mail.ensureTaskIndexes()).toEqualTypeOf<Promise<void>>();
  expectTypeOf(Mail.stats()).toEqualTypeOf<Promise<TaskStats>>();
  // @ts-expect-error a count is needed
  await Mail.popMany();
}

export async function allOfMongooseSeesTheFields(): Promise<void> {
  const found = await Mail.findOne({ state: 'FINISHED' }).orFail();

  expectTypeOf(found).toEqualTypeOf<InstanceType<typeof Mail>>();
  expectTypeOf(found.toObject().state).toEqualTypeOf<State>();
  expectTypeOf(found.toJSON().priority).toEqualTypeOf<number>();
  expectTypeOf((await Mail.findOne().lean().orFail()).state).toEqualTypeOf<State>();
  expectTypeOf(new Mail({ to: 'ada@example.org' }).push).toBeFunction();
}

declare const session: ClientSession;
export async function sessionsAreTyped(task: InstanceType<typeof Mail>): Promise<void> {
  await Mail.push({ to: 'ada@example.org' }, { session });
  await task.finish({ session });
  await task.fail('no such address', { session });
  await task.retry({ session });
  // @ts-expect-error a session, not its name
  await task.finish({ session: 'main' });
  // @ts-expect-error misspelt
  await task.finish({ sesion: session });
}

const Styled = model(
  'Styled',
  taskQueue(
    new Schema(
      { to: { type: String, required: true } },
      {
        methods: {
          isLocal(): boolean {
            return this.to.endsWith('.local');
          },
        },
        virtuals: {
          domain: {
            get(): string {
              return this.to;
            },
          },
        },
      },
    ),
  ),
);
const Static = model('Static', taskQueue(new Schema({ to: String }, { statics: { answer: () => 42 } })));

export async function whatTheSchemaHadStays(): Promise<void> {
  const task = (await Styled.pop())!;

  expectTypeOf(task.isLocal()).toEqualTypeOf<boolean>();
  expectTypeOf(task.domain).toEqualTypeOf<string>();
  expectTypeOf((await task.finish()).isLocal()).toEqualTypeOf<boolean>();
  expectTypeOf(Static.answer()).toEqualTypeOf<number>();
  expectTypeOf((await Static.pop())!.state).toEqualTypeOf<State>();
}

const connection = createConnection();
const Declared = connection.model(
  'Declared',
  taskQueue(new Schema<IMail>({ to: { type: String, required: true }, cc: String })),
);

export async function aDeclaredTypeIsKept(): Promise<void> {
  const task = (await Declared.pop())!;

  expectTypeOf(task).not.toBeAny();
  expectTypeOf(task.to).toEqualTypeOf<string>();
  expectTypeOf(task.cc).toEqualTypeOf<string | undefined>();
  expectTypeOf(task.state).toEqualTypeOf<State>();
  expectTypeOf(task.toObject().state).toEqualTypeOf<State>();
  expectTypeOf(await task.finish()).toEqualTypeOf<typeof task>();
  // @ts-expect-error not in the interface
  void task.bcc;
  await Declared.push({ to: 'ada@example.org' });
  // @ts-expect-error not in the interface
  await Declared.push({ bcc: 'ada@example.org' });
}

export function theSchemaIsStillOne(): void {
  mailSchema.plugin((schema: Schema) => void schema.index({ to: 1 }));
  mailSchema.pre('save', function () {
    expectTypeOf(this.state).toEqualTypeOf<State>();
  });
  mailSchema.index({ to: 1 });
}
