import { createConnection, Schema, type SchemaDefinition } from 'mongoose';
import { InvalidOptionError, taskQueue, type TaskQueueOptions } from 'mongoose-task-queue';
import { clausesOf } from '../../lib/dependencies/clauses';

const { ObjectId } = Schema.Types;
const reference = { type: ObjectId, ref: 'Source' };
const direct = { ...reference, dependsOn: 'DIRECT' };
const allOf = { ...reference, dependsOn: 'ALL_OF' };

/** A connection that is never opened: a model is refused without the database. */
const compile = (schema: Schema, options: TaskQueueOptions = {}) =>
  createConnection().model('Task', taskQueue(schema, options));

const one = (name: string, type = 'DIRECT') =>
  `\`${name}: { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: '${type}' }\``;
const many = (name: string, type = 'ALL_OF') =>
  `\`${name}: [{ type: Schema.Types.ObjectId, ref: 'Source', dependsOn: '${type}' }]\``;

const schemaOf = (definition: SchemaDefinition) => new Schema(definition) as Schema;
const subSchema = (definition: SchemaDefinition = { part: direct }) => new Schema(definition) as Schema;

describe('a model is refused when it is compiled', () => {
  it.each<[string, string, SchemaDefinition, NonNullable<TaskQueueOptions['dependencies']>]>([
    [
      'no path',
      `\`part\` is a dependency but no path of the schema. Write for example ${one('part')}.`,
      {},
      { part: 'DIRECT' },
    ],
    [
      'no path, for many',
      `\`parts\` is a dependency but no path of the schema. Write for example ${many('parts', 'ANY_OF')}.`,
      {},
      { parts: 'ANY_OF' },
    ],
    [
      'a nested object',
      '`meta` is a dependency but no path of the schema.',
      { meta: { part: reference } },
      { meta: 'DIRECT' },
    ],
    [
      'no path of a sub-document',
      `\`meta.prat\` is a dependency but no path of the schema. Write for example ${one("'meta.prat'")}.`,
      { meta: subSchema({ part: reference }) },
      { 'meta.prat': 'DIRECT' },
    ],
    [
      'an element of an array',
      `The dependency \`parts.0\` is inside an array or a Map. Move the references to an array of their own: ${many('parts')}.`,
      { parts: [reference] },
      { 'parts.0': 'ALL_OF' },
    ],
    [
      'inside an array of sub-documents',
      `The dependency \`items.part\` is inside an array or a Map. Move the references to an array of their own: ${many('part')}.`,
      { items: [{ part: reference }] },
      { 'items.part': 'DIRECT' },
    ],
    [
      'inside a Map',
      'The dependency `parts.left` is inside an array or a Map.',
      { parts: { type: Map, of: reference } },
      { 'parts.left': 'DIRECT' },
    ],
  ])('whose option `dependencies` names what is %s', (_what, message, definition, dependencies) => {
    const refused = () => compile(schemaOf(definition), { dependencies });

    expect(refused).toThrow(InvalidOptionError);
    expect(refused).toThrow(message);
  });

  it.each<[string, SchemaDefinition, string]>([
    [
      'a text',
      { part: { type: String, dependsOn: 'DIRECT' } },
      `The dependency \`part\` is no reference. Write ${one('part')}.`,
    ],
    [
      'an id without a `ref`',
      { part: { type: ObjectId, dependsOn: 'DIRECT' } },
      'The dependency `part` is no reference.',
    ],
    [
      'an array of texts',
      { parts: [{ type: String, dependsOn: 'ALL_OF' }] },
      `The dependency \`parts\` is no reference. Write ${many('parts')}.`,
    ],
    [
      'a nested number',
      { meta: { part: { type: Number, dependsOn: 'DIRECT' } } },
      `The dependency \`meta.part\` is no reference. Write ${one("'meta.part'")}.`,
    ],
    ['a Map', { parts: { type: Map, of: reference, dependsOn: 'DIRECT' } }, 'The dependency `parts` is no reference.'],
    [
      'an array of sub-documents',
      { items: { type: [{ part: reference }], dependsOn: 'ALL_OF' } },
      `The dependency \`items\` is no reference. Write ${many('items')}.`,
    ],
  ])('with a dependency on %s', (_what, definition, message) => {
    const refused = () => compile(schemaOf(definition));

    expect(refused).toThrow(InvalidOptionError);
    expect(refused).toThrow(message);
  });

  it.each(['ALL_OF', 'ANY_OF'])('with %s on a single reference', (type) => {
    expect(() => compile(schemaOf({ part: { ...reference, dependsOn: type } }))).toThrow(
      new InvalidOptionError(
        `Expected \`part\`, which is a single reference, to be \`DIRECT\`, got ${type}. Write ${one('part')}.`,
      ),
    );
  });

  it.each<[string, SchemaDefinition, string]>([
    ['an array', { parts: [direct] }, 'parts'],
    ['an array that has the option itself', { parts: { type: [reference], dependsOn: 'DIRECT' } }, 'parts'],
    ['an array of a sub-document', { meta: subSchema({ parts: [direct] }) }, 'meta.parts'],
  ])('with DIRECT on %s', (_what, definition, path) => {
    expect(() => compile(schemaOf(definition))).toThrow(
      new InvalidOptionError(
        `Expected \`${path}\`, which is an array of references, to be \`ALL_OF\` or \`ANY_OF\`, got DIRECT. Write ${many(path.includes('.') ? `'${path}'` : path)}.`,
      ),
    );
  });

  const inArray = 'inside an array';
  it.each<[string, SchemaDefinition, string, string]>([
    ['an array of sub-documents', { items: [{ part: direct }] }, 'items.part', inArray],
    ['an array of documents of a schema', { items: [subSchema()] }, 'items.part', inArray],
    ['an array in an array of sub-documents', { items: [{ part: [allOf] }] }, 'items.part', inArray],
    ['a nested object in an array', { items: [{ meta: { part: direct } }] }, 'items.meta.part', inArray],
    ['a sub-document in an array', { items: [{ meta: subSchema() }] }, 'items.meta.part', inArray],
    ['an array in an array', { items: [{ rows: [{ part: direct }] }] }, 'items.rows.part', inArray],
    ['an array of arrays', { part: [[allOf]] }, 'part', inArray],
    ['an array of a sub-document', { meta: subSchema({ items: [{ part: direct }] }) }, 'meta.items.part', inArray],
    ['a Map', { part: { type: Map, of: direct } }, 'part.$*', 'inside a Map'],
    ['a Map of arrays', { part: { type: Map, of: [allOf] } }, 'part.$*', 'inside a Map'],
    ['a Map of sub-documents', { items: { type: Map, of: subSchema() } }, 'items.$*.part', 'inside a Map'],
    [
      'a Map of a sub-document',
      { meta: subSchema({ part: { type: Map, of: direct } }) },
      'meta.part.$*',
      'inside a Map',
    ],
  ])('with a dependency inside %s', (_what, definition, path, where) => {
    const refused = () => compile(schemaOf(definition));

    expect(refused).toThrow(InvalidOptionError);
    expect(refused).toThrow(
      `The dependency \`${path}\` is ${where}. Move the references to an array of their own: ${many('part')}.`,
    );
  });

  it('with a dependency that only a kind of a sub-document has', () => {
    const schema = schemaOf({ meta: subSchema() });
    const meta = schema.path('meta') as unknown as { discriminator(name: string, kind: Schema): unknown };
    meta.discriminator('Large', subSchema({ other: direct }));

    expect(() => compile(schema)).toThrow('The dependency `meta.other` is inside a discriminator of a sub-document.');
  });

  it('with a dependency that only a kind of the elements of an array has', () => {
    const schema = schemaOf({ items: [subSchema({ size: Number })] });
    const items = schema.path('items') as unknown as { discriminator(name: string, kind: Schema): unknown };
    items.discriminator('Large', subSchema({ part: direct }));

    expect(() => compile(schema)).toThrow('The dependency `items.part` is inside an array.');
  });

  it('with a dependency in a schema that contains itself', () => {
    const schema = schemaOf({ part: direct });
    schema.add({ child: schema });

    expect(() => compile(schema)).toThrow('The dependency `child.part` is inside a schema that contains itself.');
  });

  it.each<[string, SchemaDefinition, TaskQueueOptions['dependencies'], string]>([
    [
      'path and plugin',
      { part: direct },
      { part: { type: 'DIRECT', onFailed: 'fail' } },
      "`DIRECT` and as `{ type: 'DIRECT', onFailed: 'fail' }`",
    ],
    ['element and plugin', { part: [allOf] }, { part: 'ANY_OF' }, '`ALL_OF` and as `ANY_OF`'],
    ['array and element', { part: { type: [allOf], dependsOn: 'ANY_OF' } }, {}, '`ALL_OF` and as `ANY_OF`'],
  ])(
    'with a dependency that is declared twice and differently: %s',
    (_spellings, definition, dependencies = {}, both) => {
      const refused = () => compile(schemaOf(definition), { dependencies });

      expect(refused).toThrow(InvalidOptionError);
      expect(refused).toThrow(/The dependency `part` is declared twice, as .*\. Declare it once\./);
      for (const declared of both.split(' and as ')) expect(refused).toThrow(declared);
    },
  );

  it.each<[string, unknown, string]>([
    [
      'an unknown type',
      'SOME_OF',
      'Expected `part: type` to be one of DIRECT, ALL_OF, ANY_OF, got "SOME_OF" (string).',
    ],
    [
      'an unknown option',
      { type: 'DIRECT', on_failed: 'fail' },
      'Unknown option `on_failed` of the dependency `part`. Did you mean `onFailed`?',
    ],
    [
      'an unknown policy',
      { type: 'DIRECT', onFailed: 'retry' },
      'Expected `part: onFailed` to be one of wait, fail, ignore, got "retry" (string).',
    ],
    [
      'an operator in `when`',
      { type: 'DIRECT', when: { total: { $gt: 0 } } },
      'Expected `part: when.total` to be a value, or `{ $in: [values] }`',
    ],
    ['an empty `when`', { type: 'DIRECT', when: {} }, 'Expected `part: when` to be fields with their values'],
    [
      'null in `when`',
      { type: 'DIRECT', when: { paidAt: null } },
      'Expected `part: when.paidAt` to be a value, or `{ $in: [values] }`, got `null`.',
    ],
  ])('with the path option `dependsOn` of %s', (_what, dependsOn, message) => {
    const refused = () => compile(schemaOf({ part: { ...reference, dependsOn } }));

    expect(refused).toThrow(InvalidOptionError);
    expect(refused).toThrow(message);
  });

  it('again when it is tried again, and leaves no model behind', () => {
    const connection = createConnection();
    const schema = taskQueue(schemaOf({ parts: [direct] }));

    for (let tries = 0; tries < 2; tries++) expect(() => connection.model('Task', schema)).toThrow(InvalidOptionError);
    expect(connection.modelNames()).toEqual([]);
  });

  it('as a kind of a base, for the dependencies of its own', () => {
    const Base = compile(schemaOf({ name: String }));

    expect(() => Base.discriminator('Kind', schemaOf({ parts: [direct] }))).toThrow(
      'Expected `parts`, which is an array of references, to be `ALL_OF` or `ANY_OF`, got DIRECT.',
    );
  });
});

describe('a plugin is refused when it is applied', () => {
  const apply = (options: object) => () => taskQueue(schemaOf({ part: reference }), options);

  it.each<[string, object, string]>([
    [
      'an unknown type',
      { part: 'DIRCT' },
      'Expected `part: type` to be one of DIRECT, ALL_OF, ANY_OF, got "DIRCT" (string).',
    ],
    [
      'an unknown option',
      { part: { type: 'DIRECT', whn: {} } },
      'Unknown option `whn` of the dependency `part`. Did you mean `when`?',
    ],
    [
      'an unknown policy',
      { part: { type: 'DIRECT', onMissing: 'skip' } },
      'Expected `part: onMissing` to be one of wait, fail, ignore',
    ],
    [
      'an operator in `when`',
      { part: { type: 'DIRECT', when: { a: { $ne: 1 } } } },
      'Expected `part: when.a` to be a value',
    ],
    ['no declaration', { part: null }, 'Expected `part` to be a dependency type or `{ type, … }`, got `null`.'],
  ])('for %s in `dependencies`', (_what, dependencies, message) => {
    expect(apply({ dependencies })).toThrow(InvalidOptionError);
    expect(apply({ dependencies })).toThrow(message);
  });

  it.each([
    ['a list', ['part']],
    ['a text', 'part'],
    ['null', null],
  ])('for %s in the place of `dependencies`', (_, dependencies) => {
    expect(apply({ dependencies })).toThrow(
      /^Expected `dependencies` to be an object, got .*\. Write for example `dependencies: \{ source: 'DIRECT' \}`\.$/,
    );
  });

  it.each([
    ['a text', 'Mail', '"Mail" (string)'],
    ['an object', {}, 'an object (Object)'],
    ['a function that is no class', () => {}, 'the function `'],
  ])('for %s in the place of `class`', (_, type, found) => {
    expect(apply({ class: type })).toThrow(InvalidOptionError);
    expect(apply({ class: type })).toThrow(`Expected \`class\` to be a class, got ${found}`);
    expect(apply({ class: type })).toThrow('Write for example `class: Mail`.');
  });
});

describe('a `refPath`', () => {
  const part = { type: ObjectId, refPath: 'kind', dependsOn: 'DIRECT' };
  const line = "Write `kind: { type: String, enum: ['Source'] }`.";

  it('knows the models that its path may name', () => {
    const Task = compile(schemaOf({ part, kind: { type: String, enum: ['Source', 'Other'] } }));

    expect(clausesOf(Task)).toMatchObject([
      { path: 'part', ref: null, refPath: 'kind', refNames: ['Source', 'Other'] },
    ]);
  });

  it('may name any, where its path says nothing', () => {
    expect(clausesOf(compile(schemaOf({ part, kind: String })))).toMatchObject([{ refPath: 'kind', refNames: [] }]);
  });

  it('is refused where it is no path', () => {
    expect(() => compile(schemaOf({ part }))).toThrow(
      new InvalidOptionError(
        `The \`refPath\` of the dependency \`part\` is \`kind\`, which is no path of the schema. ${line}`,
      ),
    );
  });

  it('is refused where its path holds many names', () => {
    expect(() => compile(schemaOf({ part, kind: [String] }))).toThrow(
      new InvalidOptionError(`The \`refPath\` of the dependency \`part\` is \`kind\`, which is an array. ${line}`),
    );
  });

  it('may be any field of a schema that is not strict', () => {
    const schema = new Schema({ part }, { strict: false }) as Schema;

    expect(clausesOf(compile(schema))).toMatchObject([{ path: 'part', refPath: 'kind' }]);
  });

  it('is refused where it is a function: references are read without documents', () => {
    expect(() => compile(schemaOf({ part: { ...part, refPath: () => 'kind' }, kind: String }))).toThrow(
      new InvalidOptionError(
        "The `refPath` of the dependency `part` is a function of the document. Write `refPath: 'kind'`, the path that holds the model's name.",
      ),
    );
  });
});

describe('the clauses of a model', () => {
  it('are those of its paths, in their order, sub-documents included', () => {
    const schema = schemaOf({
      name: String,
      parts: [allOf],
      meta: subSchema({ part: direct, deep: subSchema() }),
      free: reference,
      last: direct,
    });

    expect(clausesOf(compile(schema)).map(({ path }) => path)).toEqual([
      'parts',
      'meta.part',
      'meta.deep.part',
      'last',
    ]);
  });

  it('are none without dependencies', () => {
    expect(clausesOf(compile(schemaOf({ part: reference, parts: [reference], items: [{ part: reference }] })))).toEqual(
      [],
    );
  });

  it('are read also where a schema contains itself', () => {
    const schema = schemaOf({ part: reference });
    schema.add({ child: schema, children: [schema] });

    expect(clausesOf(compile(schema))).toEqual([]);
  });

  it('include those of the sub-document that all its kinds have', () => {
    const schema = schemaOf({ meta: subSchema() });
    const meta = schema.path('meta') as unknown as { discriminator(name: string, kind: Schema): unknown };
    meta.discriminator('Large', subSchema({ size: Number }));

    expect(clausesOf(compile(schema)).map(({ path }) => path)).toEqual(['meta.part']);
  });
});
