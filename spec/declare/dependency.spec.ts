import { createConnection, Schema, Types, type Model } from 'mongoose';
import { DependencyType, InvalidOptionError, taskQueue, type DependencyDeclaration } from 'mongoose-task-queue';
import { resolveDependency } from '../../lib/declare/check-dependency';
import { useDatabase } from '../support/database';

const { ObjectId } = Schema.Types;
const { ALL_OF, ANY_OF, DIRECT } = DependencyType;

const reference = { type: ObjectId, ref: 'Source' };
const withDefaults = (type: DependencyType) => ({ type, onFailed: 'wait', onMissing: 'wait', when: null });

interface Form {
  schema: () => Schema;
  /** For those that are declared by the plugin's options. */
  dependencies?: Record<string, DependencyDeclaration>;
  path: string;
  type: DependencyType;
  /** The fields of a task that refers to a document. */
  fields: (id: Types.ObjectId) => object;
}

const many = (id: Types.ObjectId) => ({ parts: [id] });
const single = (id: Types.ObjectId) => ({ part: id });
const inside = (id: Types.ObjectId) => ({ meta: { part: id } });
const named = (id: Types.ObjectId) => ({ part: id, kind: 'Source' });
const kind = { type: String, enum: ['Source'] };

const pathOptions: Record<string, Form> = {
  'a reference': {
    schema: () => new Schema({ part: { ...reference, dependsOn: DIRECT } }),
    path: 'part',
    type: DIRECT,
    fields: single,
  },
  'the elements of an array': {
    schema: () => new Schema({ parts: [{ ...reference, dependsOn: ALL_OF }] }),
    path: 'parts',
    type: ALL_OF,
    fields: many,
  },
  'the elements of an array, inside `type`': {
    schema: () => new Schema({ parts: { type: [{ ...reference, dependsOn: ANY_OF }] } }),
    path: 'parts',
    type: ANY_OF,
    fields: many,
  },
  'an array, with its `ref`': {
    schema: () => new Schema({ parts: { type: [ObjectId], ref: 'Source', dependsOn: ALL_OF } }),
    path: 'parts',
    type: ALL_OF,
    fields: many,
  },
  'an array, whose elements have the `ref`': {
    schema: () => new Schema({ parts: { type: [reference], dependsOn: ANY_OF } }),
    path: 'parts',
    type: ANY_OF,
    fields: many,
  },
  'a nested path': {
    schema: () => new Schema({ meta: { part: { ...reference, dependsOn: DIRECT } } }),
    path: 'meta.part',
    type: DIRECT,
    fields: inside,
  },
  'a path of a sub-document': {
    schema: () => new Schema({ meta: new Schema({ part: { ...reference, dependsOn: DIRECT } }) }),
    path: 'meta.part',
    type: DIRECT,
    fields: inside,
  },
  'an array of a sub-document': {
    schema: () => new Schema({ meta: new Schema({ parts: [{ ...reference, dependsOn: ALL_OF }] }) }),
    path: 'meta.parts',
    type: ALL_OF,
    fields: (id) => ({ meta: { parts: [id] } }),
  },
  'a sub-document of a sub-document': {
    schema: () => {
      const meta = new Schema({ deep: new Schema({ part: { ...reference, dependsOn: DIRECT } }) });
      return new Schema({ meta });
    },
    path: 'meta.deep.part',
    type: DIRECT,
    fields: (id) => ({ meta: { deep: { part: id } } }),
  },
  'a reference with `refPath`': {
    schema: () => new Schema({ kind, part: { type: ObjectId, refPath: 'kind', dependsOn: DIRECT } }),
    path: 'part',
    type: DIRECT,
    fields: named,
  },
  'an array with `refPath`': {
    schema: () => new Schema({ kind, parts: [{ type: ObjectId, refPath: 'kind', dependsOn: ALL_OF }] }),
    path: 'parts',
    type: ALL_OF,
    fields: (id) => ({ parts: [id], kind: 'Source' }),
  },
  'a sub-document with a `refPath` beside it': {
    schema: () =>
      new Schema({ meta: new Schema({ kind, part: { type: ObjectId, refPath: 'meta.kind', dependsOn: DIRECT } }) }),
    path: 'meta.part',
    type: DIRECT,
    fields: (id) => ({ meta: { part: id, kind: 'Source' } }),
  },
};

const pluginOptions: Record<string, Form> = {
  'a reference': {
    schema: () => new Schema({ part: reference }),
    dependencies: { part: DIRECT },
    path: 'part',
    type: DIRECT,
    fields: single,
  },
  'an array': {
    schema: () => new Schema({ parts: [reference] }),
    dependencies: { parts: { type: ANY_OF } },
    path: 'parts',
    type: ANY_OF,
    fields: many,
  },
  'a nested path': {
    schema: () => new Schema({ meta: { part: reference } }),
    dependencies: { 'meta.part': DIRECT },
    path: 'meta.part',
    type: DIRECT,
    fields: inside,
  },
  'a path of a sub-document': {
    schema: () => new Schema({ meta: new Schema({ part: reference }) }),
    dependencies: { 'meta.part': DIRECT },
    path: 'meta.part',
    type: DIRECT,
    fields: inside,
  },
  'a path of a sub-document of a sub-document': {
    schema: () => new Schema({ meta: new Schema({ deep: new Schema({ parts: [reference] }) }) }),
    dependencies: { 'meta.deep.parts': ALL_OF },
    path: 'meta.deep.parts',
    type: ALL_OF,
    fields: (id) => ({ meta: { deep: { parts: [id] } } }),
  },
};

describe.each([
  ['the path option `dependsOn`', pathOptions],
  ['the plugin option `dependencies`', pluginOptions],
])('%s', (_spelling, forms) => {
  const database = useDatabase();
  let count = 0;
  const sourceModel = () => database.connection.model('Source', taskQueue(new Schema({ name: String })));
  let Source: ReturnType<typeof sourceModel>;
  const plugged = ({ schema, dependencies = {} }: Form) => taskQueue(schema(), { dependencies });

  beforeAll(async () => {
    Source = sourceModel();
    await Source.ensureTaskIndexes();
  });

  describe.each(Object.entries(forms))('on %s', (_where, form) => {
    const { path, type, fields } = form;

    it('ends in the options of the path', () => {
      const { schema } = compile(plugged(form));

      expect(dependsOn(schema, path)).toEqual(withDefaults(type));
    });

    it('survives a copy of the schema, made before the model is compiled or after', () => {
      const schema = plugged(form);
      const early = schema.clone();
      for (const one of [early, schema]) compile(one);
      const late = schema.clone();
      compile(late);

      for (const one of [early, schema, late]) expect(dependsOn(one, path)).toEqual(withDefaults(type));
    });

    it('is inherited by discriminators', () => {
      const Base = compile(plugged(form)) as unknown as Model<object>;
      const Kind = Base.discriminator('Kind', new Schema({ size: Number }));

      expect(dependsOn(Kind.schema, path)).toEqual(withDefaults(type));
    });

    it('keeps a task back until the document is done', async () => {
      const Task = database.connection.model(`Task${count++}`, plugged(form));
      const source = await Source.push({ name: 'source' });
      const { id } = await Task.push(fields(source._id) as never);

      expect(await Task.pop()).toBeNull();
      await source.finish();
      expect((await Task.pop())?.id).toBe(id);
    });
  });
});

describe('a declaration', () => {
  const database = useDatabase();
  const sourceModel = () => database.connection.model('Source', taskQueue(new Schema({ name: String })));
  let Source: ReturnType<typeof sourceModel>;

  beforeAll(() => {
    Source = sourceModel();
  });

  it('may be the same in two spellings', () => {
    const options = { type: ALL_OF, onFailed: 'fail' } as const;
    const schema = new Schema({ parts: [{ ...reference, dependsOn: options }] });

    compile(taskQueue(schema, { dependencies: { parts: { ...options, onMissing: 'wait' } } }));

    expect(dependsOn(schema, 'parts')).toEqual({ ...withDefaults(ALL_OF), onFailed: 'fail' });
  });

  it('in the options of one model does not reach another that shares the sub-schema', () => {
    const meta = new Schema({ part: reference });

    const Waiting = compile(taskQueue(new Schema({ meta }), { dependencies: { 'meta.part': DIRECT } }));
    const Free = compile(taskQueue(new Schema({ meta })));

    expect(dependsOn(Waiting.schema, 'meta.part')).toEqual(withDefaults(DIRECT));
    expect(dependsOn(Free.schema, 'meta.part')).toBeUndefined();
  });

  it('in the options of one kind reaches neither its base nor its siblings', () => {
    const Base = compile(new Schema({ part: reference })) as unknown as Model<object>;
    const dependencies = { part: DIRECT };

    const One = Base.discriminator('One', taskQueue(new Schema({}) as Schema<object>, { dependencies }));
    const Other = Base.discriminator('Other', taskQueue(new Schema({}) as Schema<object>));

    expect(dependsOn(One.schema, 'part')).toEqual(withDefaults(DIRECT));
    for (const { schema } of [Base, Other]) expect(dependsOn(schema, 'part')).toBeUndefined();
  });

  it('of a kind holds its tasks back, and no others of the base', async () => {
    const Base = database.connection.model('Base', taskQueue(new Schema({ part: reference })));
    const Kind = Base.discriminator('Careful', new Schema({ other: { ...reference, dependsOn: DIRECT } }));
    const source = await Source.push({ name: 'source' });
    const careful = await Kind.push({ other: source._id });
    const careless = await Base.push({ part: source._id });

    expect((await Base.popMany(5)).map(({ id }) => id as string)).toEqual([careless.id]);
    expect(await Kind.pop()).toBeNull();
    await source.finish();
    expect((await Kind.pop())?.id).toBe(careful.id);
  });

  it('of a base holds back the tasks of its kinds', async () => {
    const schema = new Schema({ part: { ...reference, dependsOn: DIRECT } });
    const Base = database.connection.model('CarefulBase', taskQueue(schema));
    const Kind = Base.discriminator('Inheriting', new Schema({ size: Number }));
    const source = await Source.push({ name: 'source' });
    const { id } = await Kind.push({ part: source._id, size: 1 });

    expect([await Base.pop(), await Kind.pop()]).toEqual([null, null]);
    await source.finish();
    expect((await Kind.pop())?.id).toBe(id);
  });

  it('on a path that was added to a sub-schema later counts as well', async () => {
    const meta = new Schema({ note: String });
    const schema = new Schema({ meta });
    meta.add({ part: { ...reference, dependsOn: DIRECT } });
    const Task = database.connection.model('Later', taskQueue(schema));
    const source = await Source.push({ name: 'source' });
    await Task.push({ meta: { part: source._id } } as never);

    expect(await Task.pop()).toBeNull();
  });

  it('is met by a task that refers to nothing', async () => {
    const schema = new Schema({
      part: { ...reference, dependsOn: DIRECT },
      parts: [{ ...reference, dependsOn: ANY_OF }],
    });
    const Task = database.connection.model('Free', taskQueue(schema));
    await Task.push([{}, { part: null, parts: [] }]);

    expect(await Task.popMany(5)).toHaveLength(2);
  });

  it('is needed: a reference alone holds nothing back', async () => {
    const Task = database.connection.model('Plain', taskQueue(new Schema({ part: reference, parts: [reference] })));
    await Task.push({ part: new Types.ObjectId(), parts: [new Types.ObjectId()] });

    expect(await Task.pop()).not.toBeNull();
  });
});

describe('resolveDependency', () => {
  it.each<[DependencyDeclaration, object]>([
    ['DIRECT', withDefaults(DIRECT)],
    [{ type: 'ALL_OF' }, withDefaults(ALL_OF)],
    [
      { type: 'ANY_OF', onFailed: 'ignore' },
      { ...withDefaults(ANY_OF), onFailed: 'ignore' },
    ],
    [
      { type: 'DIRECT', onMissing: 'fail' },
      { ...withDefaults(DIRECT), onMissing: 'fail' },
    ],
    [
      { type: 'DIRECT', when: { status: 'paid', 'total.due': { $in: [0, 1] } } },
      { ...withDefaults(DIRECT), when: { status: 'paid', 'total.due': { $in: [0, 1] } } },
    ],
    [
      { type: 'DIRECT', when: { owner: new Types.ObjectId('650000000000000000000001'), isOpen: false, size: 0 } },
      {
        ...withDefaults(DIRECT),
        when: { owner: new Types.ObjectId('650000000000000000000001'), isOpen: false, size: 0 },
      },
    ],
  ])('fills in the defaults of %j', (declared, resolved) => {
    expect(resolveDependency('part', declared)).toEqual(resolved);
  });

  it('leaves alone what it resolved before', () => {
    const once = resolveDependency('part', { type: 'DIRECT', when: { status: 'paid' } });

    expect(resolveDependency('part', once)).toBe(once);
  });

  it('does not write to the declaration', () => {
    const declared = Object.freeze({ type: DIRECT, when: Object.freeze({ status: 'paid' }) });

    expect(() => resolveDependency('part', declared)).not.toThrow();
  });

  const orLine = "Write for example `dependsOn: 'DIRECT'`.";
  it.each<[string, unknown, string]>([
    [
      'no declaration',
      5,
      `Expected \`part\` to be a dependency type or \`{ type, … }\`, got \`5\` (number). ${orLine}`,
    ],
    ['true', true, `Expected \`part\` to be a dependency type or \`{ type, … }\`, got \`true\` (boolean). ${orLine}`],
    [
      'an unknown type',
      'ALL',
      `Expected \`part: type\` to be one of DIRECT, ALL_OF, ANY_OF, got "ALL" (string). ${orLine}`,
    ],
    ['a type in small letters', { type: 'direct' }, 'Expected `part: type` to be one of DIRECT, ALL_OF, ANY_OF'],
    ['no type', { onFailed: 'fail' }, 'Expected `part: type` to be one of DIRECT, ALL_OF, ANY_OF, got `undefined`.'],
    [
      'an unknown option',
      { type: 'DIRECT', onfailed: 'fail' },
      'Unknown option `onfailed` of the dependency `part`. Did you mean `onFailed`? Known are: type, onFailed, onMissing, when.',
    ],
    [
      'an unknown policy for failures',
      { type: 'DIRECT', onFailed: 'skip' },
      'Expected `part: onFailed` to be one of wait, fail, ignore, got "skip" (string). Write for example `onFailed: \'fail\'`.',
    ],
    [
      'an unknown policy for missing documents',
      { type: 'DIRECT', onMissing: true },
      "Expected `part: onMissing` to be one of wait, fail, ignore, got `true` (boolean). Write for example `onMissing: 'fail'`.",
    ],
    ['a null policy', { type: 'DIRECT', onFailed: null }, 'Expected `part: onFailed` to be one of wait, fail, ignore'],
  ])('refuses %s', (_, declared, message) => {
    expect(() => resolveDependency('part', declared)).toThrow(InvalidOptionError);
    expect(() => resolveDependency('part', declared)).toThrow(message);
  });

  const orCondition = "Write for example `when: { status: 'paid' }` or `when: { status: { $in: ['paid', 'free'] } }`.";
  it.each<[string, unknown]>([
    ['a text', 'paid'],
    ['an array', [{ status: 'paid' }]],
    ['no field', {}],
    ['a date', new Date()],
  ])('refuses a `when` that is %s', (_, when) => {
    const resolve = () => resolveDependency('part', { type: 'DIRECT', when });

    expect(resolve).toThrow(InvalidOptionError);
    expect(resolve).toThrow('Expected `part: when` to be fields with their values, got ');
    expect(resolve).toThrow(orCondition);
  });

  it.each<[string, unknown]>([
    ['null, which a field is that is not there', null],
    ['undefined', undefined],
    ['$gt', { $gt: 5 }],
    ['$ne', { $ne: 'open' }],
    ['$exists', { $exists: true }],
    ['$eq', { $eq: 'paid' }],
    ['$in with another operator', { $in: ['paid'], $ne: 'open' }],
    ['an empty $in', { $in: [] }],
    ['$in of no array', { $in: 'paid' }],
    ['$in with null', { $in: ['paid', null] }],
    ['$in with an expression', { $in: [/^p/] }],
    ['$in with an operator', { $in: [{ $gt: 5 }] }],
    ['a regular expression', /^p/],
    ['a function', () => 'paid'],
  ])('refuses a `when` with a field that is %s', (_, value) => {
    const resolve = () => resolveDependency('part', { type: 'DIRECT', when: { total: 1, status: value } });

    expect(resolve).toThrow(InvalidOptionError);
    expect(resolve).toThrow('Expected `part: when.status` to be a value, or `{ $in: [values] }`, got ');
    expect(resolve).toThrow(orCondition);
  });

  it.each(['$or', '$expr', '$where'])('refuses a `when` with %s', (operator) => {
    const when = { [operator]: [{ status: 'paid' }] };

    expect(() => resolveDependency('part', { type: 'DIRECT', when })).toThrow(`Expected \`part: when.${operator}\``);
  });
});

/** On a connection that is never opened: whatever the model is, no database knows of it. */
function compile(schema: Schema<any, any, any, any, any, any, any, any, any, any, any>) {
  return createConnection().model('Task', schema as Schema);
}

function dependsOn(schema: unknown, path: string): unknown {
  return ((schema as Schema).path(path).options as { dependsOn?: unknown }).dependsOn;
}
