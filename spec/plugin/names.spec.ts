import { createConnection, Schema, type SchemaDefinition } from 'mongoose';
import { finish, InvalidOptionError, pop, taskQueue } from '../../lib';
import { useDatabase } from '../support/database';

const STATICS = ['push', 'pop', 'popMany', 'queue', 'isEmpty', 'findByKey', 'ensureTaskIndexes', 'stats', 'requeue'];
const METHODS = ['push', 'finish', 'fail', 'retry', 'release', 'renew'];
const GETTERS = ['lease', 'attempts', 'failures'];

const OTHER_WAY =
  'Write `taskQueue(schema, { bind: false })`, which adds no statics and methods, and use the functions: `pop(Model)`, `finish(task)`, …';

/** A connection that is never opened: a model is refused without the database. */
const compile = (schema: Schema, name = 'Email') => createConnection().model(name, schema);
const schemaOf = (definition: SchemaDefinition = {}) =>
  new Schema({ to: String, ...definition }, { autoIndex: false, autoCreate: false }) as Schema;

/** The plugin changes the type of the schema; here its mistakes matter. */
const apply = (schema: Schema, options: object = {}) => taskQueue(schema, options) as unknown as Schema;

describe('a name that the schema has already', () => {
  it.each(['state', 'priority'] as const)('is refused for the path of the %s', (name) => {
    const schema = schemaOf({ [name]: String });

    expect(() => apply(schema)).toThrow(
      new InvalidOptionError(
        `The name \`${name}\` is taken, and the queue needs a path for the task's ${name}. Write \`taskQueue(schema, { fields: { ${name}: '…' } })\` with a free name.`,
      ),
    );
  });

  it.each<[string, Schema]>([
    ['a path', schemaOf({ state: Number })],
    ['a path with the type of ours', schemaOf({ state: String })],
    ['a nested path', schemaOf({ state: { code: Number } })],
    ['a sub-document', schemaOf({ state: new Schema({ code: Number }) })],
    ['an array', schemaOf({ state: [String] })],
    ['an alias', schemaOf({ s: { type: String, alias: 'state' } })],
    ['a virtual', withVirtual(schemaOf(), 'state')],
  ])('is refused where it is %s', (_, schema) => {
    const before = Object.keys(schema.paths);

    expect(() => apply(schema)).toThrow(InvalidOptionError);
    expect(() => apply(schema)).toThrow('`taskQueue(schema, { fields: { state: ');
    expect(Object.keys(schema.paths)).toEqual(before);
  });

  it('is refused for the category only where tasks have one', () => {
    expect(() => apply(schemaOf({ category: Number }))).not.toThrow();
    expect(() => apply(schemaOf({ category: Number }), { category: true })).toThrow(
      "The name `category` is taken, and the queue needs a path for the task's category. Write `taskQueue(schema, { fields: { category: ",
    );
  });

  it('is left alone when ours gets another', () => {
    const schema = apply(schemaOf({ state: Number, priority: String }), {
      fields: { state: 'taskState', priority: 'taskPriority' },
    });

    expect(schema.path('state').instance).toBe('Number');
    expect(schema.path('priority').instance).toBe('String');
    expect(schema.path('taskState').instance).toBe('String');
    expect(schema.path('taskPriority').instance).toBe('Number');
  });

  it('is told for all of them at once', () => {
    const schema = schemaOf({ state: Number, priority: String, lease: Number });
    schema.static('pop', () => 'own');
    schema.method('finish', () => 'own');

    expect(() => apply(schema)).toThrow(
      new InvalidOptionError(
        "The names `state`, `priority` are taken, and the queue needs paths for the task's state, priority. Write `taskQueue(schema, { fields: { state: '…', priority: '…' } })` with free names.\n" +
          `The schema has static \`pop\`, \`finish\`, \`lease\` already. ${OTHER_WAY}`,
      ),
    );
  });

  it.each(STATICS)('is refused for the static %s', (name) => {
    const schema = schemaOf();
    schema.static(name, () => 'own');

    expect(() => apply(schema)).toThrow(
      new InvalidOptionError(`The schema has static \`${name}\` already. ${OTHER_WAY}`),
    );
  });

  it.each([...METHODS, ...GETTERS])('is refused for the method %s', (name) => {
    const schema = schemaOf();
    schema.method(name, () => 'own');

    expect(() => apply(schema)).toThrow(new InvalidOptionError(`The schema has \`${name}\` already. ${OTHER_WAY}`));
  });

  it.each([...METHODS, ...GETTERS])('is refused for %s where it is a path or a virtual', (name) => {
    const schemas = [schemaOf({ [name]: Number }), schemaOf({ [name]: { at: Date } }), withVirtual(schemaOf(), name)];

    for (const schema of schemas) {
      expect(() => apply(schema)).toThrow(new InvalidOptionError(`The schema has \`${name}\` already. ${OTHER_WAY}`));
    }
  });

  it.each([...METHODS, ...GETTERS])('is refused for %s where `fields` asks for it', (name) => {
    expect(() => apply(schemaOf(), { fields: { state: name } })).toThrow(InvalidOptionError);
    expect(() => apply(schemaOf(), { fields: { state: name }, bind: false })).not.toThrow();
  });

  it('is named with all the others', () => {
    const schema = schemaOf({ lease: Number });
    schema.static('pop', () => 'own');
    schema.method('finish', () => 'own');

    expect(() => apply(schema)).toThrow('The schema has static `pop`, `finish`, `lease` already.');
  });

  it('leaves the schema as it was, so that the other way can be taken', () => {
    const schema = schemaOf();
    schema.method('finish', () => 'own');
    expect(() => apply(schema)).toThrow(InvalidOptionError);
    expect(Object.keys(schema.paths)).toEqual(['to', '_id']);
    expect(Object.keys(schema.statics)).toEqual([]);

    apply(schema, { bind: false });

    expect(Object.keys(schema.paths)).toEqual(['to', '_id', 'state', 'priority', 'createdAt']);
  });
});

describe('a name that is taken after the plugin was applied', () => {
  it.each<[string, (schema: Schema) => void]>([
    ['added again', (schema) => schema.add({ state: Number })],
    ['set again', (schema) => schema.path('state', Number)],
    ['removed', (schema) => schema.remove('state')],
  ])('is refused for a path that is %s, when the model is compiled', (_, change) => {
    const schema = apply(schemaOf());
    change(schema);

    expect(() => compile(schema)).toThrow(
      new InvalidOptionError(
        "The path `state` was replaced after the plugin was applied. Write `taskQueue(schema, { fields: { state: '…' } })` with a free name.",
      ),
    );
  });

  it.each(['state', 'priority', 'category'])('is refused for the path %s, under whatever name', (name) => {
    const schema = apply(schemaOf(), { category: true, fields: { [name]: 'taskPath' } });
    schema.add({ taskPath: Boolean });

    expect(() => compile(schema)).toThrow('The path `taskPath` was replaced after the plugin was applied.');
    expect(() => compile(schema)).toThrow(`{ fields: { ${name}: `);
  });

  it.each(STATICS)('is refused for the static %s', (name) => {
    const schema = apply(schemaOf());
    schema.static(name, () => 'own');

    expect(() => compile(schema)).toThrow(new InvalidOptionError(`The schema has \`${name}\` already. ${OTHER_WAY}`));
  });

  it.each(METHODS)('is refused for the method %s', (name) => {
    const schema = apply(schemaOf());
    schema.method(name, () => 'own');

    expect(() => compile(schema)).toThrow(new InvalidOptionError(`The schema has \`${name}\` already. ${OTHER_WAY}`));
  });

  it.each(METHODS)('is refused by Mongoose itself for %s where it is a path or a virtual', (name) => {
    const path = apply(schemaOf());
    path.add({ [name]: Number });

    for (const schema of [path, withVirtual(apply(schemaOf()), name)]) {
      expect(() => compile(schema)).toThrow(`You have a method and a property in your schema both named "${name}"`);
    }
  });

  it.each(GETTERS)('is refused for %s, whatever it is', (name) => {
    const changes: ((schema: Schema) => unknown)[] = [
      (schema) => schema.add({ [name]: Number }),
      (schema) => schema.add({ [name]: { at: Date } }),
      (schema) => withVirtual(schema, name),
      (schema) => schema.method(name, () => 'own'),
    ];

    for (const change of changes) {
      const schema = apply(schemaOf());
      change(schema);
      expect(() => compile(schema)).toThrow(new InvalidOptionError(`The schema has \`${name}\` already. ${OTHER_WAY}`));
    }
  });

  it('is refused for what a class brings', () => {
    const schema = apply(schemaOf());
    schema.loadClass(
      class {
        static pop() {}
        finish() {}
        get lease() {
          return 'own';
        }
      },
    );

    expect(() => compile(schema)).toThrow('The schema has `pop`, `finish`, `lease` already.');
  });

  it.each<[string, Schema]>([
    ['a path', schemaOf({ state: Number })],
    ['a path in the place of a getter', schemaOf({ attempts: Number })],
    ['a method', withMethod(schemaOf(), 'finish')],
  ])('is refused for %s of a kind', (_, kind) => {
    const Base = compile(apply(schemaOf()));

    expect(() => Base.discriminator('Kind', kind)).toThrow(InvalidOptionError);
  });

  it('is allowed where nothing is bound', () => {
    const schema = apply(schemaOf(), { bind: false });
    schema.static('pop', () => 'own');
    schema.method('finish', () => 'own');
    schema.add({ lease: Number });

    expect(() => compile(schema)).not.toThrow();
  });

  it('leaves no model behind that could be used all the same', () => {
    const connection = createConnection();
    const schema = apply(schemaOf());
    schema.method('finish', () => 'own');
    expect(() => connection.model('Email', schema)).toThrow(InvalidOptionError);

    expect(connection.modelNames()).toEqual([]);
    expect(() => connection.model('Email', schema)).toThrow(InvalidOptionError);
  });
});

describe('a model with `bind: false`', () => {
  const database = useDatabase();

  it('keeps its own names, and the verbs are functions', async () => {
    const schema = schemaOf({ lease: String });
    schema.static('pop', () => 'own pop');
    schema.method('finish', () => 'own finish');
    const Email = database.connection.model('Email', apply(schema, { bind: false }));
    await Email.collection.insertOne({ to: 'ada', state: 'CREATED', lease: 'own lease' });

    const task = (await pop(Email))! as unknown as InstanceType<typeof Email> & Record<string, () => unknown>;
    await finish(task);

    expect((Email as unknown as { pop(): string }).pop()).toBe('own pop');
    expect(task['finish']!()).toBe('own finish');
    expect(task.get('lease')).toBe('own lease');
    expect(task.get('state')).toBe('FINISHED');
  });
});

function withVirtual(schema: Schema, name: string): Schema {
  schema.virtual(name).get(() => 'own');
  return schema;
}

function withMethod(schema: Schema, name: string): Schema {
  schema.method(name, () => 'own');
  return schema;
}
