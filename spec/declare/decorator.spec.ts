import type { Types } from 'mongoose';
import { DependencyType, DependsOn, InvalidOptionError } from 'mongoose-task-queue';
import { dependenciesOf } from '../../lib/declare/decorator';

// Compiled with `experimentalDecorators`. What standard decorators do is in spec/standard.
const { ALL_OF, ANY_OF, DIRECT } = DependencyType;
type Id = Types.ObjectId;

const withDefaults = (type: DependencyType) => ({ type, onFailed: 'wait', onMissing: 'wait', when: null });
const typesOf = (type: Parameters<typeof dependenciesOf>[0]) =>
  Object.fromEntries([...dependenciesOf(type)].map(([name, dependency]) => [name, dependency.type]));

/** What compilers call. */
type Decorator = (...parameters: unknown[]) => void;
const dependsOn = (...parameters: unknown[]) => (DependsOn as (...parameters: unknown[]) => Decorator)(...parameters);

class Report {
  @DependsOn(DIRECT)
  source!: Id;

  @DependsOn('ALL_OF', { onFailed: 'fail', when: { status: 'paid' } })
  orders!: Id[];

  title!: string;
}

describe('@DependsOn', () => {
  it('declares a field, with its options and the defaults of the others', () => {
    expect(Object.fromEntries(dependenciesOf(Report))).toEqual({
      source: withDefaults(DIRECT),
      orders: { type: ALL_OF, onFailed: 'fail', onMissing: 'wait', when: { status: 'paid' } },
    });
  });

  it('finds nothing in a class without it', () => {
    expect(typesOf(class {})).toEqual({});
    expect(typesOf(Date)).toEqual({});
  });

  it('stands on fields of whatever kind', () => {
    class Odd {
      @DependsOn(DIRECT) readonly fixed!: Id;
      @DependsOn(DIRECT) optional?: Id | null;
      @DependsOn(DIRECT) 'quoted name'!: Id;
      @DependsOn(DIRECT) protected kept!: Id;
      @DependsOn(ALL_OF) list: Id[] = [];
    }

    expect(Object.keys(typesOf(Odd))).toEqual(['fixed', 'optional', 'quoted name', 'kept', 'list']);
  });
});

describe('@DependsOn in a hierarchy of classes', () => {
  class Base {
    @DependsOn(ALL_OF) inherited!: Id[];
    @DependsOn(ALL_OF) overridden!: Id[];
  }
  class Sub extends Base {
    @DependsOn(ANY_OF) declare overridden: Id[];
    @DependsOn(DIRECT) own!: Id;
  }
  class Plain extends Sub {}
  class Last extends Plain {
    @DependsOn(ALL_OF, { onMissing: 'ignore' }) declare overridden: Id[];
  }

  it('is inherited', () => {
    expect(typesOf(Plain)).toEqual({ inherited: ALL_OF, overridden: ANY_OF, own: DIRECT });
  });

  it('is overridden by the nearest class', () => {
    expect(typesOf(Sub)).toMatchObject({ overridden: ANY_OF });
    expect(dependenciesOf(Last).get('overridden')).toEqual({ ...withDefaults(ALL_OF), onMissing: 'ignore' });
  });

  it('leaves the ancestors as they are', () => {
    expect(typesOf(Base)).toEqual({ inherited: ALL_OF, overridden: ALL_OF });
    expect(typesOf(Sub)).toEqual({ inherited: ALL_OF, overridden: ANY_OF, own: DIRECT });
  });

  it('leaves the siblings as they are', () => {
    class Sibling extends Base {}

    expect(typesOf(Sibling)).toEqual({ inherited: ALL_OF, overridden: ALL_OF });
  });

  it('is inherited through a class that a function makes', () => {
    function mixin(type: typeof Base) {
      class Mixed extends type {
        @DependsOn(DIRECT) mixed!: Id;
      }
      return Mixed;
    }

    expect(typesOf(class extends mixin(Base) {})).toEqual({ inherited: ALL_OF, overridden: ALL_OF, mixed: DIRECT });
    expect(typesOf(Base)).not.toHaveProperty('mixed');
  });
});

describe('@DependsOn is refused where the class is defined', () => {
  const line = "Write for example `@DependsOn('DIRECT') source: Types.ObjectId;`.";
  const descriptorOf = (name: string, type: object) => Object.getOwnPropertyDescriptor(type, name);

  class Full {
    static shared?: Id;
    method() {}
    get getter() {
      return 1;
    }
    set setter(value: number) {}
    static make() {}
  }
  const full = Full.prototype;

  it.each<[string, unknown[], string]>([
    ['a method', [full, 'method', descriptorOf('method', full)], 'method'],
    ['a getter', [full, 'getter', descriptorOf('getter', full)], 'getter'],
    ['a setter', [full, 'setter', descriptorOf('setter', full)], 'setter'],
    ['an accessor', [full, 'field', { get: () => 1, set: () => {} }], 'field'],
    ['a static field', [Full, 'shared', undefined], 'shared'],
    ['a static method', [Full, 'make', descriptorOf('make', Full)], 'make'],
    ['a field named by a symbol', [full, Symbol('hidden'), undefined], 'Symbol(hidden)'],
    ['a class', [Full], 'class Full'],
    ['a parameter of a method', [full, 'method', 0], 'method'],
    ['a parameter of the constructor', [Full, undefined, 0], 'class Full'],
  ])('on %s, with the line to write instead', (_what, parameters, name) => {
    const decorate = () => dependsOn(DIRECT)(...parameters);

    expect(decorate).toThrow(
      new InvalidOptionError(`@DependsOn belongs on a field that holds references, which \`${name}\` is not. ${line}`),
    );
  });

  it('leaves no trace of what it refused', () => {
    expect(() => dependsOn(DIRECT)(full, 'method', descriptorOf('method', full))).toThrow(InvalidOptionError);
    expect(() => dependsOn(DIRECT)(Full, 'shared')).toThrow(InvalidOptionError);

    expect(typesOf(Full)).toEqual({});
  });

  it('but not on a field to which a compiler gives a descriptor', () => {
    class Field {}
    dependsOn(DIRECT)(Field.prototype, 'part', { configurable: true, writable: true, initializer: null });

    expect(typesOf(Field)).toEqual({ part: DIRECT });
  });

  it.each<[string, unknown[], string]>([
    [
      'an unknown type',
      ['EVERY'],
      'Expected `source: type` to be one of DIRECT, ALL_OF, ANY_OF, got "EVERY" (string).',
    ],
    ['no type', [], 'Expected `source: type` to be one of DIRECT, ALL_OF, ANY_OF, got `undefined`.'],
    [
      'an unknown option',
      [DIRECT, { onfailed: 'fail' }],
      'Unknown option `onfailed` of the dependency `source`. Did you mean `onFailed`?',
    ],
    [
      'an unknown policy',
      [DIRECT, { onFailed: 'skip' }],
      'Expected `source: onFailed` to be one of wait, fail, ignore',
    ],
    ['an operator in `when`', [DIRECT, { when: { a: { $gt: 1 } } }], 'Expected `source: when.a` to be a value'],
    ['an empty `when`', [DIRECT, { when: {} }], 'Expected `source: when` to be fields with their values'],
    ['null in `when`', [DIRECT, { when: { a: null } }], 'Expected `source: when.a` to be a value'],
  ])('with %s', (_what, options, message) => {
    class Fresh {}
    const decorate = () => dependsOn(...options)(Fresh.prototype, 'source');

    expect(decorate).toThrow(InvalidOptionError);
    expect(decorate).toThrow(message);
    expect(typesOf(Fresh)).toEqual({});
  });

  it('twice and differently on one field', () => {
    class Twice {}
    dependsOn(ALL_OF)(Twice.prototype, 'parts');

    expect(() => dependsOn(ANY_OF)(Twice.prototype, 'parts')).toThrow(
      new InvalidOptionError('The dependency `parts` is declared twice, as `ALL_OF` and as `ANY_OF`. Declare it once.'),
    );
    expect(() => dependsOn(ALL_OF)(Twice.prototype, 'parts')).not.toThrow();
  });
});

describe('@DependsOn beside other metadata', () => {
  it('needs no types that a compiler emits, and no import of its own of `reflect-metadata`', () => {
    class Untyped {}
    DependsOn(DIRECT)(Untyped.prototype, 'part');

    expect(Reflect.getMetadata('design:type', Untyped.prototype, 'part')).toBeUndefined();
    expect(typesOf(Untyped)).toEqual({ part: DIRECT });
  });

  it('is shared by two copies of the package', () => {
    let other!: typeof import('../../lib/declare/decorator');
    jest.isolateModules(() => {
      other = require('../../lib/declare/decorator') as typeof other;
    });
    class Shared {
      @DependsOn(DIRECT) one!: Id;
      @other.DependsOn(ALL_OF, { onFailed: 'fail' }) two!: Id[];
    }

    expect(other.DependsOn).not.toBe(DependsOn);
    expect(typesOf(Shared)).toEqual({ one: DIRECT, two: ALL_OF });
    expect([...other.dependenciesOf(Shared)]).toEqual([...dependenciesOf(Shared)]);
  });
});
