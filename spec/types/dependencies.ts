import { expectTypeOf } from 'expect-type';
import { model, Schema, type Types } from 'mongoose';
import {
  DependencyType,
  DependsOn,
  taskQueue,
  type BlockedBy,
  type DependencyDeclaration,
  type DependencyOptions,
  type DependencyPolicy,
  type State,
} from 'mongoose-task-queue';

// With `experimentalDecorators`. What standard decorators accept and refuse is in spec/standard/decorator.spec.ts.
const { ALL_OF, ANY_OF, DIRECT } = DependencyType;
type Id = Types.ObjectId;

export class Accepted {
  @DependsOn(DIRECT) source!: Id;
  @DependsOn('DIRECT') text?: string | null;
  @DependsOn(ALL_OF) readonly parts!: readonly Id[];
  @DependsOn('ANY_OF', { onFailed: 'fail', onMissing: 'ignore', when: { status: 'paid', total: { $in: [0, 1] } } })
  populated!: Accepted[];
  @DependsOn(DIRECT) protected hidden!: Id;
  @DependsOn(DIRECT) 'quoted name'!: Id;
}

export class AcceptedSub extends Accepted {
  @DependsOn(ANY_OF) declare parts: readonly Id[];
}

// What the compiler refuses. It is never called: it would throw.
export function mistakesAreRefused(): unknown[] {
  class Options {
    // @ts-expect-error unknown type
    @DependsOn('EVERY') type!: Id;
    // @ts-expect-error unknown option
    @DependsOn(DIRECT, { onfailed: 'fail' }) option!: Id;
    // @ts-expect-error unknown option beside a right one
    @DependsOn(DIRECT, { onFailed: 'fail', whn: {} }) another!: Id;
    // @ts-expect-error unknown policy
    @DependsOn(DIRECT, { onMissing: 'skip' }) policy!: Id;
    // @ts-expect-error fields with their values
    @DependsOn(DIRECT, { when: 'paid' }) condition!: Id;
    // @ts-expect-error the type is the first parameter
    @DependsOn(DIRECT, { type: ALL_OF }) twice!: Id;
    // @ts-expect-error a type is needed
    @DependsOn() untyped!: Id;
    // @ts-expect-error called without a type
    @DependsOn bare!: Id;
  }
  class Places {
    // @ts-expect-error a method
    @DependsOn(DIRECT) run() {}
    // @ts-expect-error a getter
    @DependsOn(DIRECT) get getter() {
      return 1;
    }
    // @ts-expect-error an accessor
    @DependsOn(DIRECT) accessor field = 1;
    // @ts-expect-error a static field
    @DependsOn(DIRECT) static shared: Id;
    // @ts-expect-error a symbol
    @DependsOn(DIRECT) [Symbol.iterator] = 1;

    // @ts-expect-error a parameter
    with(@DependsOn(DIRECT) source: Id) {
      return source;
    }
  }
  // @ts-expect-error a class
  @DependsOn(DIRECT)
  class Whole {}

  return [Options, Places, Whole];
}

const plain = () => new Schema({ source: String, parts: [String] });

export function thePluginOptionIsChecked(declared: DependencyDeclaration): void {
  taskQueue(plain(), { dependencies: { source: 'DIRECT', parts: { type: ALL_OF, onFailed: 'ignore' } } });
  taskQueue(plain(), { dependencies: { source: declared }, class: Accepted });
  // @ts-expect-error unknown type
  taskQueue(plain(), { dependencies: { source: 'EVERY' } });
  // @ts-expect-error unknown type of an object
  taskQueue(plain(), { dependencies: { source: { type: 'EVERY' } } });
  // @ts-expect-error no type
  taskQueue(plain(), { dependencies: { source: { onFailed: 'fail' } } });
  // @ts-expect-error unknown option
  taskQueue(plain(), { dependencies: { source: { type: 'DIRECT', onfailed: 'fail' } } });
  // @ts-expect-error unknown policy
  taskQueue(plain(), { dependencies: { source: { type: 'DIRECT', onFailed: 'skip' } } });
  // @ts-expect-error a list names no types
  taskQueue(plain(), { dependencies: ['source'] });
  // @ts-expect-error no class
  taskQueue(plain(), { class: new Accepted() });

  plain().plugin(taskQueue, { dependencies: { source: 'DIRECT' }, class: Accepted });
  // @ts-expect-error unknown type
  plain().plugin(taskQueue, { dependencies: { source: 'EVERY' } });
  // @ts-expect-error unknown policy
  plain().plugin(taskQueue, { dependencies: { source: { type: 'DIRECT', onFailed: 'skip' } } });
  // @ts-expect-error unknown option
  plain().plugin(taskQueue, { dependencies: { source: { type: 'DIRECT', onfailed: 'fail' } } });
}

export function declarationsInVariables(policy: DependencyPolicy): void {
  const options: DependencyOptions = { onFailed: policy, when: { state: { $in: ['FINISHED', 'FAILED'] } } };

  taskQueue(plain(), { dependencies: { source: { type: DIRECT, ...options } } });
  expectTypeOf(DependencyType.ALL_OF).toEqualTypeOf<'ALL_OF'>();
  expectTypeOf<DependencyType>().toEqualTypeOf<'DIRECT' | 'ALL_OF' | 'ANY_OF'>();
  expectTypeOf<DependencyPolicy>().toEqualTypeOf<'wait' | 'fail' | 'ignore'>();
}

const Report = model(
  'Report',
  taskQueue(
    new Schema({
      source: { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: DIRECT },
      parts: [{ type: Schema.Types.ObjectId, ref: 'Source', dependsOn: { type: ALL_OF, onFailed: 'fail' } }],
    }),
  ),
);

export async function thePathOptionLeavesTheTypesAlone(): Promise<void> {
  const task = (await Report.pop())!;

  expectTypeOf(task).not.toBeAny();
  expectTypeOf(task.source).toEqualTypeOf<Types.ObjectId | null | undefined>();
  expectTypeOf(task.parts[0]).not.toBeAny();
  expectTypeOf(task.state).toEqualTypeOf<State>();
  // @ts-expect-error no such property
  void task.dependsOn;
  await Report.push({ source: '650000000000000000000001', parts: ['650000000000000000000001'] });
}

export async function whatBlocksIsTyped(): Promise<void> {
  const [blocked] = await Report.blocked({ limit: 10 });

  expectTypeOf(blocked!.task).toEqualTypeOf(new Report());
  expectTypeOf(blocked!.blockedBy).toEqualTypeOf<BlockedBy[]>();
  expectTypeOf(await blocked!.task.blockedBy()).toEqualTypeOf<BlockedBy[]>();
  expectTypeOf<BlockedBy['type']>().toEqualTypeOf<DependencyType | 'behind' | 'paused' | 'cancelled'>();
  expectTypeOf<BlockedBy['documents'][number]['standing']>().toEqualTypeOf<
    'met' | 'unmet' | 'failed' | 'missing' | 'cancelled'
  >();
  // @ts-expect-error a number of tasks
  await Report.blocked({ limit: 'all' });
  // @ts-expect-error unknown option
  await Report.blocked({ limits: 10 });
}
