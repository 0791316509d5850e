import { expectTypeOf } from 'expect-type';
import { model, Schema, Types } from 'mongoose';
import { type OnDuplicate, Priority, push, pushOutcome, type PushOutcome, taskQueue } from 'mongoose-task-queue';

const Mail = model(
  'Mail',
  taskQueue(
    new Schema({
      to: { type: String, required: true },
      source: { type: Schema.Types.ObjectId, ref: 'Source' },
      sendAt: Date,
      meta: { tries: { type: Number, default: 0 }, by: String },
      parts: [{ name: String, size: { type: Number, default: 0 } }],
      headers: { type: Map, of: String },
      extra: Schema.Types.Mixed,
    }),
  ),
);
const Note = model('Note', taskQueue(new Schema({ text: String })));
type Task = InstanceType<typeof Mail>;

export async function inputIsWhatCreateTakes(): Promise<void> {
  expectTypeOf(await Mail.push({ to: 'ada@example.org', priority: Priority.HIGH })).toEqualTypeOf<Task>();
  await Mail.push({});
  await Mail.push({ priority: -100, createdAt: new Date() });
  await Mail.push({ source: '65f0c0ffee65f0c0ffee65f0', sendAt: '2027-01-01', headers: { subject: 'hello' } });
  await Mail.push({
    _id: new Types.ObjectId(),
    source: new Types.ObjectId(),
    sendAt: new Date(),
    headers: new Map([['subject', 'hello']]),
  });
  await Mail.push({ extra: { state: 'anything' } });
  await Mail.push({ meta: { by: 'ada' }, parts: [{ name: 'body' }] });
  await Mail.push({ to: 'ada@example.org' }, { delayMs: 1_000, key: 'ada' });
  await Mail.push({ to: 'ada@example.org' }, { runAt: new Date() });
}

export async function duplicates(): Promise<void> {
  const options = {
    key: 'ada',
    onDuplicate: 'debounce',
    delayMs: 1_000,
    maxDelayMs: 5_000,
    throttleMs: 60_000,
  } as const;
  const pushed = await Mail.push({ to: 'ada@example.org' }, options);

  expectTypeOf(pushed.pushOutcome).toEqualTypeOf<PushOutcome | null>();
  expectTypeOf(pushOutcome(pushed)).toEqualTypeOf<'queued' | 'kept' | 'replaced' | 'superseded' | 'behind' | null>();
  expectTypeOf<OnDuplicate>().toEqualTypeOf<'keep' | 'replace' | 'debounce' | 'supersede' | 'after'>();
  // @ts-expect-error no such mode
  await Mail.push({ to: 'ada@example.org' }, { key: 'ada', onDuplicate: 'overwrite' });
}

export async function fromASource(): Promise<void> {
  async function* inputs() {
    yield { to: 'ada@example.org' };
    yield new Mail({ to: 'alan@example.org' });
  }
  async function* wrong() {
    yield { to: 'ada@example.org', sendAt: /tomorrow/ };
  }

  expectTypeOf(await Mail.push(inputs())).toEqualTypeOf<{ pushed: number }>();
  expectTypeOf(await Mail.push(Mail.find().cursor(), { delayMs: 1_000 })).toEqualTypeOf<{ pushed: number }>();
  expectTypeOf(await push(Mail, inputs())).toEqualTypeOf<{ pushed: number }>();
  // @ts-expect-error no date
  await Mail.push(wrong());
  // @ts-expect-error documents of another model
  await Mail.push(Note.find().cursor());
}

export async function manyAtOnce(): Promise<void> {
  expectTypeOf(await Mail.push([{ to: 'ada@example.org' }, { to: 'alan@example.org', priority: 3 }])).toEqualTypeOf<
    Task[]
  >();
  expectTypeOf(await Mail.push([])).toEqualTypeOf<Task[]>();
  const inputs: readonly { to: string }[] = [{ to: 'ada@example.org' }];
  await Mail.push(inputs);
  // @ts-expect-error unknown key in the second
  await Mail.push([{ to: 'ada@example.org' }, { too: 'alan@example.org' }]);
}

// oxlint-disable-next-line typescript/no-explicit-any -- the body of a request, for example
export async function whatIsNotKnown(body: any, either: { to: string } | { to: string }[]): Promise<void> {
  expectTypeOf(await Mail.push(body)).toEqualTypeOf<Task>();
  expectTypeOf(await Mail.push([body])).toEqualTypeOf<Task[]>();
  // @ts-expect-error it resolves to one or to many
  await Mail.push(either);
}

export async function documentsOfTheModel(): Promise<void> {
  expectTypeOf(await Mail.push(new Mail({ to: 'ada@example.org' }))).toEqualTypeOf<Task>();
  expectTypeOf(await Mail.push([new Mail(), new Mail()])).toEqualTypeOf<Task[]>();
  expectTypeOf(await new Mail({ to: 'ada@example.org' }).push()).toEqualTypeOf<Task>();
  expectTypeOf(await push(Mail, new Mail())).toEqualTypeOf<Task>();
  expectTypeOf(await push(Mail, [{ to: 'ada@example.org' }])).toEqualTypeOf<Task[]>();
  // @ts-expect-error documents and input
  await Mail.push([new Mail(), { to: 'ada@example.org' }]);
  // @ts-expect-error a document of another model
  await Mail.push(new Note());
}

export async function mistakesAreRefused(): Promise<void> {
  // @ts-expect-error unknown key
  await Mail.push({ too: 'ada@example.org' });
  // @ts-expect-error wrong type
  await Mail.push({ to: 5 });
  // @ts-expect-error a number
  await Mail.push({ priority: 'high' });
  // @ts-expect-error `push` sets the state
  await Mail.push({ to: 'ada@example.org', state: 'FINISHED' });
  // @ts-expect-error `push` sets the state, of all of them
  await Mail.push([{ to: 'ada@example.org', state: 'CREATED' }]);
  const withState = { to: 'ada@example.org', state: 'FINISHED' as const };
  // @ts-expect-error also when it comes in a variable
  await Mail.push(withState);
  // @ts-expect-error only the option `category` adds the field
  await Mail.push({ category: 'abroad' });
  // @ts-expect-error a method of documents is no field
  await Mail.push({ save: 1 });
  // @ts-expect-error misspelt option
  await Mail.push({ to: 'ada@example.org' }, { delay: 1_000 });
  // @ts-expect-error a date
  await Mail.push({ to: 'ada@example.org' }, { runAt: 1_000 });
}
