import type { Types } from 'mongoose';
import { DependencyType, DependsOn, InvalidOptionError } from '../../lib';
import { dependenciesOf } from '../../lib/declare/decorator';

const { ALL_OF, ANY_OF, DIRECT } = DependencyType;
type Id = Types.ObjectId;

const typesOf = (type: Parameters<typeof dependenciesOf>[0]) =>
  Object.fromEntries([...dependenciesOf(type)].map(([name, dependency]) => [name, dependency.type]));

/** `@DependsOn` as the compiler does not know it, to put it where it does not belong. */
const Anywhere = DependsOn(DIRECT) as unknown as (value: unknown, context: DecoratorContext) => void;
const symbol = Symbol('part');
const line = "Write for example `@DependsOn('DIRECT') source: Types.ObjectId;`.";

describe('@DependsOn as a standard decorator', () => {
  class Base {
    @DependsOn(DIRECT) source!: Id;
    @DependsOn(ALL_OF) inherited!: Id[];
    @DependsOn(ALL_OF) overridden: Id[] = [];
  }
  class Sub extends Base {
    @DependsOn(ANY_OF, { onFailed: 'fail' }) override overridden: Id[] = [];
    @DependsOn(DIRECT) own?: Id | null;
  }
  class Plain extends Sub {}

  it('declares a field, with its options and the defaults of the others', () => {
    expect(dependenciesOf(Base).get('source')).toEqual({
      type: DIRECT,
      onFailed: 'wait',
      onMissing: 'wait',
      when: null,
    });
    expect(dependenciesOf(Sub).get('overridden')).toEqual({
      type: ANY_OF,
      onFailed: 'fail',
      onMissing: 'wait',
      when: null,
    });
  });

  it('is inherited, and overridden by the nearest class', () => {
    const all = { source: DIRECT, inherited: ALL_OF, overridden: ANY_OF, own: DIRECT };

    expect(typesOf(Sub)).toEqual(all);
    expect(typesOf(Plain)).toEqual(all);
  });

  it('leaves the ancestors as they are', () => {
    expect(typesOf(Base)).toEqual({ source: DIRECT, inherited: ALL_OF, overridden: ALL_OF });
  });

  it('leaves the fields as they are', () => {
    expect(Object.entries(new Sub())).toEqual([
      ['source', undefined],
      ['inherited', undefined],
      ['overridden', []],
      ['own', undefined],
    ]);
  });

  it('keeps to itself what other decorators write to the metadata of the class', () => {
    const Note = (_value: unknown, { metadata, name }: DecoratorContext) => void (metadata[name!] = 'noted');
    class Noted {
      @Note @DependsOn(DIRECT) source!: Id;
      @Note title!: string;
    }

    expect(typesOf(Noted)).toEqual({ source: DIRECT });
    expect((Noted as { [Symbol.metadata]?: object | null })[Symbol.metadata]).toMatchObject({ title: 'noted' });
  });

  it.each<[string, string, () => unknown]>([
    [
      'a method',
      'run',
      () =>
        class {
          @Anywhere run() {}
        },
    ],
    [
      'a getter',
      'part',
      () =>
        class {
          @Anywhere get part() {
            return 1;
          }
        },
    ],
    [
      'a setter',
      'part',
      () =>
        class {
          @Anywhere set part(value: number) {}
        },
    ],
    [
      'an accessor',
      'part',
      () =>
        class {
          @Anywhere accessor part = 1;
        },
    ],
    [
      'a static field',
      'part',
      () =>
        class {
          @Anywhere static part = 1;
        },
    ],
    [
      'a static method',
      'run',
      () =>
        class {
          @Anywhere static run() {}
        },
    ],
    [
      'a private field',
      '#part',
      () =>
        class {
          @Anywhere #part = 1;
          read = () => this.#part;
        },
    ],
    [
      'a field named by a symbol',
      'Symbol(part)',
      () =>
        class {
          @Anywhere [symbol] = 1;
        },
    ],
    [
      'a class',
      'Task',
      () => {
        @Anywhere
        class Task {}
        return Task;
      },
    ],
  ])('is refused on %s, with the line to write instead', (_what, name, define) => {
    expect(define).toThrow(InvalidOptionError);
    expect(define).toThrow(`@DependsOn belongs on a field that holds references, which \`${name}\` is not. ${line}`);
  });

  it('is refused with an unknown type, option or policy', () => {
    const wrong = (type: unknown, options: unknown) => () =>
      class {
        @DependsOn(type as DependencyType, options as object) source!: Id;
      };

    expect(wrong('EVERY', {})).toThrow(
      'Expected `source: type` to be one of DIRECT, ALL_OF, ANY_OF, got "EVERY" (string).',
    );
    expect(wrong(DIRECT, { onfailed: 'fail' })).toThrow('Unknown option `onfailed` of the dependency `source`.');
    expect(wrong(DIRECT, { onFailed: 'skip' })).toThrow('Expected `source: onFailed` to be one of wait, fail, ignore');
    expect(wrong(DIRECT, { when: { a: { $gt: 1 } } })).toThrow('Expected `source: when.a` to be a value');
  });

  it('is refused twice and differently on one field', () => {
    const twice = (type: DependencyType) => () =>
      class {
        @DependsOn(type) @DependsOn(ALL_OF) parts!: Id[];
      };

    expect(twice(ANY_OF)).toThrow(
      'The dependency `parts` is declared twice, as `ALL_OF` and as `ANY_OF`. Declare it once.',
    );
    expect(twice(ALL_OF)).not.toThrow();
  });
});

// What the compiler refuses. They are never called: they would throw.
export function refusedByTheCompiler(): unknown[] {
  class Types {
    // @ts-expect-error unknown type
    @DependsOn('EVERY') source!: Id;
    // @ts-expect-error unknown option
    @DependsOn(DIRECT, { onfailed: 'fail' }) part!: Id;
    // @ts-expect-error unknown policy
    @DependsOn(DIRECT, { onMissing: 'skip' }) other!: Id;
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
    // @ts-expect-error a private field
    @DependsOn(DIRECT) #hidden = 1;
    // @ts-expect-error a symbol
    @DependsOn(DIRECT) [Symbol.iterator] = 1;

    read = () => this.#hidden;
  }
  // @ts-expect-error a class
  @DependsOn(DIRECT)
  class Whole {}

  return [Types, Places, Whole];
}
