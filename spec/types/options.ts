import { expectTypeOf } from 'expect-type';
import { model, Schema } from 'mongoose';
import { taskQueue, type State, type TaskQueueOptions } from 'mongoose-task-queue';

const plain = () => new Schema({ to: String });

export function mistakesAreRefused(): void {
  // @ts-expect-error misspelt
  taskQueue(plain(), { leesMs: 60_000 });
  // @ts-expect-error misspelt beside a right one
  taskQueue(plain(), { leaseMs: 60_000, leesMs: 60_000 });
  // @ts-expect-error a number of milliseconds
  taskQueue(plain(), { leaseMs: '60s' });
  // @ts-expect-error not a boolean
  taskQueue(plain(), { category: 'to' });
  // @ts-expect-error no such field
  taskQueue(plain(), { fields: { stat: 'taskState' } });
  // @ts-expect-error no such field beside a right one
  taskQueue(plain(), { fields: { state: 'taskState', prioritty: 'rank' } });
  // @ts-expect-error a name
  taskQueue(plain(), { fields: { state: 1 } });
  // @ts-expect-error `false`, or a number of seconds
  taskQueue(plain(), { expireAfterSeconds: true });
  // @ts-expect-error not a schema
  taskQueue({ to: String });

  plain().plugin(taskQueue);
  plain().plugin(taskQueue, { leaseMs: 60_000, fields: { state: 'taskState' } });
  // @ts-expect-error misspelt
  plain().plugin(taskQueue, { leesMs: 60_000 });
  // @ts-expect-error a number of milliseconds
  plain().plugin(taskQueue, { leaseMs: '60s' });
  // A misspelt option beside a right one is refused at run time only: Mongoose infers the type of a plugin's options.
  plain().plugin(taskQueue, { leaseMs: 60_000, leesMs: 60_000 });
}

export function optionsInAVariable(options: TaskQueueOptions): void {
  const Mail = model('Mail', taskQueue(plain(), options));

  expectTypeOf(new Mail().state).toEqualTypeOf<State>();
  expectTypeOf(Mail.pop).toBeFunction();
}

const Address = model(
  'Address',
  taskQueue(new Schema({ street: String, state: { type: String, required: true } }), {
    fields: { state: 'taskState', priority: 'rank' },
    category: true,
  }),
);

export async function renamedFieldsAreTyped(): Promise<void> {
  const task = (await Address.pop({ category: ['abroad', 'inland'] }))!;

  expectTypeOf(task.taskState).toEqualTypeOf<State>();
  expectTypeOf(task.rank).toEqualTypeOf<number>();
  expectTypeOf(task.state).toEqualTypeOf<string>();
  // @ts-expect-error renamed
  void task.priority;
  await Address.push({ street: 'Main St', state: 'NY', rank: 3 });
  // @ts-expect-error `push` sets the state, whatever its name
  await Address.push({ street: 'Main St', taskState: 'CREATED' });
}

export async function categoryIsAField(): Promise<void> {
  const task = (await Address.pop({ category: 'abroad' }))!;

  expectTypeOf(task.category).toEqualTypeOf<string | null | undefined>();
  await Address.push({ category: 'abroad' });
  await Address.isEmpty({ category: new Set(['abroad']) });
  // @ts-expect-error a string
  await Address.push({ category: 5 });

  const Labelled = model('Labelled', taskQueue(plain(), { category: true, fields: { category: 'label' } }));
  expectTypeOf(new Labelled().label).toEqualTypeOf<string | null | undefined>();
  // @ts-expect-error renamed
  void new Labelled().category;
}

export function anOwnCreatedAtKeepsItsType(): void {
  const Numbered = model('Numbered', taskQueue(new Schema({ createdAt: { type: Number, required: true } })));
  expectTypeOf(new Numbered().createdAt).toEqualTypeOf<number>();

  const Stamped = model('Stamped', taskQueue(new Schema({ to: String }, { timestamps: true })));
  expectTypeOf(new Stamped().createdAt).toEqualTypeOf<Date>();
  expectTypeOf(new Stamped().updatedAt).toEqualTypeOf<Date>();

  const Renamed = model(
    'Renamed',
    taskQueue(new Schema({ to: String }, { timestamps: { createdAt: 'madeAt' } as const })),
  );
  expectTypeOf(new Renamed().madeAt).toEqualTypeOf<Date>();
  // @ts-expect-error `timestamps` makes the time, under its own name
  void new Renamed().createdAt;

  const Moved = model('Moved', taskQueue(new Schema({ createdAt: String }), { fields: { createdAt: 'queuedAt' } }));
  expectTypeOf(new Moved().queuedAt).toEqualTypeOf<Date>();
  expectTypeOf(new Moved().createdAt).toEqualTypeOf<string | null | undefined>();
}

export async function withoutBindingTheModelIsLeftAlone(): Promise<void> {
  const Stack = model(
    'Stack',
    taskQueue(new Schema({ to: String }, { statics: { pop: () => 'top' }, methods: { finish: (): number => 1 } }), {
      bind: false,
    }),
  );
  const item = new Stack();

  expectTypeOf(Stack.pop()).toEqualTypeOf<string>();
  expectTypeOf(item.finish()).toEqualTypeOf<number>();
  expectTypeOf(item.state).toEqualTypeOf<State>();
  // @ts-expect-error no statics
  await Stack.popMany(1);
  // @ts-expect-error no methods
  await item.fail();
}
