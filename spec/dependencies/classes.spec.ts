import { Prop, Schema as NestSchema, SchemaFactory } from '@nestjs/mongoose';
import {
  buildSchema,
  getDiscriminatorModelForClass,
  getModelForClass,
  plugin,
  prop,
  type Ref,
} from '@typegoose/typegoose';
import { createConnection, Mongoose, Schema, type Model, type SchemaDefinition, type Types } from 'mongoose';
import { DependencyType, DependsOn, InvalidOptionError, pop, push, TaskBase, taskQueue } from 'mongoose-task-queue';
import { popSoon } from '../support/pop-soon';
import { useDatabase } from '../support/database';

const { ALL_OF, ANY_OF, DIRECT } = DependencyType;
const { ObjectId } = Schema.Types;
type Id = Types.ObjectId;

const one = { type: ObjectId, ref: 'Source' };
const many = [one];
const paths = { source: one, parts: many };
const schemaOf = (definition: SchemaDefinition = paths) => new Schema(definition) as Schema;

/** Applies the plugin for its effect: here the type of the schema does not matter. */
const plugged = (schema: Schema, options = {}) => taskQueue(schema, options) as Schema;
/** On a connection that is never opened: whatever the model is, no database knows of it. */
const compile = (schema: Schema) => createConnection().model('Task', schema);

const optionOf = (schema: unknown, path: string) =>
  ((schema as Schema).path(path).options as { dependsOn?: { type: DependencyType; onFailed: string } }).dependsOn;
const typesOf = (schema: unknown) => ({
  source: optionOf(schema, 'source')?.type,
  parts: optionOf(schema, 'parts')?.type,
});

class Base {
  @DependsOn(DIRECT) source!: Id;
  @DependsOn(ALL_OF) parts!: Id[];
}
class Sub extends Base {
  @DependsOn(ANY_OF, { onFailed: 'fail' }) declare parts: Id[];
}
class Plain extends Sub {}

describe('a class that is loaded into the schema', () => {
  const database = useDatabase();

  it.each<[string, () => Schema]>([
    ['before the plugin', () => plugged(schemaOf().loadClass(Base))],
    ['after the plugin', () => plugged(schemaOf()).loadClass(Base)],
    ['before its paths', () => plugged(schemaOf({}).loadClass(Base)).add(paths)],
    ['before some of its paths', () => plugged(schemaOf({ source: one }).loadClass(Base)).add({ parts: many })],
    ['before its paths, in a schema that is copied', () => plugged(schemaOf({}).loadClass(Base)).clone().add(paths)],
    ['for its virtuals alone', () => plugged(schemaOf().loadClass(Base, true))],
    ['twice', () => plugged(schemaOf().loadClass(Base)).loadClass(Base)],
    ['and named by the option `class`', () => plugged(schemaOf().loadClass(Base), { class: Base })],
  ])('declares its fields, loaded %s', (_when, makeSchema) => {
    const { schema } = compile(makeSchema());

    expect(typesOf(schema)).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it.each<[string, (...types: (typeof Base)[]) => Schema]>([
    ['loaded', (...types) => types.reduce((schema, type) => schema.loadClass(type), plugged(schemaOf()))],
    [
      'loaded early',
      (...types) => plugged(types.reduce((schema, type) => schema.loadClass(type), schemaOf({})).add(paths)),
    ],
  ])('declares anew what its base declares, whichever is %s first', (_when, load) => {
    for (const order of [[Sub], [Base, Sub], [Sub, Base], [Base, Plain], [Plain, Base, Sub]]) {
      expect(typesOf(compile(load(...order)).schema)).toEqual({ source: DIRECT, parts: ANY_OF });
    }
    expect(typesOf(compile(load(Base)).schema)).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it('holds its tasks back', async () => {
    const Source = database.connection.model('Source', taskQueue(new Schema({ name: String })));
    const schema = new Schema(paths).loadClass(Base);
    const Task = database.connection.model('Loaded', taskQueue(schema));
    const [source, part] = await Source.push([{ name: 'source' }, { name: 'part' }]);
    const { id } = await Task.push({ source: source!._id, parts: [part!._id] });

    expect(await Task.pop()).toBeNull();
    await source!.finish();
    expect(await Task.pop()).toBeNull();
    await part!.finish();
    expect((await popSoon(Task)).id).toBe(id);
  });

  it('keeps its methods, statics and virtuals', () => {
    class Full extends Base {
      static find() {
        return 'found';
      }
      method() {
        return 'called';
      }
      get virtual() {
        return 'got';
      }
    }
    const Task = compile(plugged(schemaOf().loadClass(Full)));
    const task = new Task() as unknown as Full;

    expect([Task.find(), task.method(), task.virtual]).toEqual(['found', 'called', 'got']);
  });

  it('may be a copy of another that is loaded, as long as both say the same', () => {
    const copyOf = (type: DependencyType) => {
      class Task {
        @DependsOn(type) parts!: Id[];
      }
      return Task;
    };
    const [first, copy, other] = [ALL_OF, ALL_OF, ANY_OF].map(copyOf) as [typeof Base, typeof Base, typeof Base];

    expect(optionOf(schemaOf().loadClass(first).loadClass(copy), 'parts')?.type).toBe(ALL_OF);
    expect(() => schemaOf().loadClass(first).loadClass(other)).toThrow(
      new InvalidOptionError('The dependency `parts` is declared twice, as `ALL_OF` and as `ANY_OF`. Declare it once.'),
    );
  });

  it('is read through another instance of Mongoose', () => {
    const instance = new Mongoose();
    const schema = new instance.Schema(paths) as unknown as Schema;

    const { schema: compiled } = instance.createConnection().model('Task', plugged(schema.loadClass(Base)));

    expect(typesOf(compiled)).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it('holds tasks back where another instance of Mongoose makes the model, of a copy of the schema', async () => {
    const connection = await new Mongoose().createConnection(database.uri).asPromise();
    const Source = connection.model('Source', plugged(schemaOf({ name: String })));
    const schema = plugged(schemaOf({ parts: many }).loadClass(Base), { dependencies: { parts: ALL_OF } });
    const Task = connection.model('Borrowed', schema.add({ source: one }));
    const source = await push(Source, { name: 'source' });
    await push(Task, { source: source._id });

    expect(typesOf(Task.schema)).toEqual({ source: DIRECT, parts: ALL_OF });
    expect(await pop(Task)).toBeNull();
    await connection.close();
  });
});

describe('the class of a discriminator', () => {
  const baseOf = (type: typeof Base = Base) => compile(plugged(schemaOf().loadClass(type))) as unknown as Model<object>;

  it('inherits what its base class declares on the paths of its base', () => {
    const kind = schemaOf({ size: Number }).loadClass(class Kind extends Base {});

    expect(typesOf(baseOf().discriminator('Kind', kind).schema)).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it('declares them anew for itself alone', () => {
    const BaseModel = baseOf();
    const kind = schemaOf({ size: Number }).loadClass(Sub);

    const Kind = BaseModel.discriminator('Kind', kind);
    const Sibling = BaseModel.discriminator('Sibling', schemaOf({ weight: Number }));

    expect(optionOf(Kind.schema, 'parts')).toMatchObject({ type: ANY_OF, onFailed: 'fail' });
    for (const { schema } of [BaseModel, Sibling]) expect(typesOf(schema)).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it('declares paths of its own', () => {
    class Kind extends Base {
      @DependsOn(DIRECT) extra!: Id;
    }
    const { schema } = baseOf().discriminator('Kind', schemaOf({ extra: one }).loadClass(Kind));

    expect(optionOf(schema, 'extra')?.type).toBe(DIRECT);
    expect(typesOf(schema)).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it('is refused for a field that neither has', () => {
    class Kind extends Base {
      @DependsOn(DIRECT) extra!: Id;
    }

    expect(() => baseOf().discriminator('Kind', schemaOf({ size: Number }).loadClass(Kind))).toThrow(
      '`extra` is a dependency but no path of the schema.',
    );
  });
});

describe('the class of a sub-document', () => {
  class Meta {
    @DependsOn(DIRECT) part!: Id;
  }

  it('declares its fields', () => {
    const meta = schemaOf({ part: one }).loadClass(Meta);

    expect(optionOf(compile(plugged(schemaOf({ meta }))).schema, 'meta.part')?.type).toBe(DIRECT);
  });

  it('is refused for a field that is no path', () => {
    const meta = schemaOf({ size: Number }).loadClass(Meta);

    expect(() => compile(plugged(schemaOf({ meta })))).toThrow(
      "`part` is a dependency but no path of the schema. Write for example `part: { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: 'DIRECT' }`.",
    );
  });

  it('is refused in an array', () => {
    const meta = schemaOf({ part: one }).loadClass(Meta);

    expect(() => compile(plugged(schemaOf({ items: [meta] })))).toThrow(
      'The dependency `items.part` is inside an array.',
    );
  });
});

describe('a class that does not fit its schema is refused when the model is compiled', () => {
  const isLoaded = (schema: Schema) => () => compile(plugged(schema).loadClass(Base));
  const isNamed = (schema: Schema) => () => compile(plugged(schema, { class: Base }));

  it.each([
    ['loaded', isLoaded],
    ['named by the option `class`', isNamed],
  ])('and is %s', (_how, compiling) => {
    expect(compiling(schemaOf({ source: one }))).toThrow(
      new InvalidOptionError(
        "`parts` is a dependency but no path of the schema. Write for example `parts: [{ type: Schema.Types.ObjectId, ref: 'Source', dependsOn: 'ALL_OF' }]`.",
      ),
    );
    expect(compiling(schemaOf({ source: { type: ObjectId }, parts: many }))).toThrow(
      'The dependency `source` is no reference.',
    );
    expect(compiling(schemaOf({ source: one, parts: one }))).toThrow('Expected `parts`, which is a single reference,');
  });

  it('and says something else than a path option', () => {
    const schema = () => schemaOf({ source: one, parts: [{ ...one, dependsOn: 'ANY_OF' }] });

    for (const compiling of [isLoaded(schema()), isNamed(schema())])
      expect(compiling).toThrow(
        'The dependency `parts` is declared twice, as `ANY_OF` and as `ALL_OF`. Declare it once.',
      );
  });

  it('and says something else than the option `dependencies`', () => {
    const schema = plugged(schemaOf(), { class: Base, dependencies: { parts: 'ANY_OF' } });

    expect(() => compile(schema)).toThrow('The dependency `parts` is declared twice, as `ALL_OF` and as `ANY_OF`.');
  });

  it.each([
    ['a path', 'source', { source: { ...one, dependsOn: 'DIRECT' }, parts: many }],
    ['the elements of an array', 'parts', { source: one, parts: [{ ...one, dependsOn: 'ALL_OF' }] }],
  ])('and declares anew what an option of %s said, like its base', (_where, path, definition) => {
    class Anew extends Base {
      @DependsOn(DIRECT, { onFailed: 'fail' }) declare source: Id;
      @DependsOn(ALL_OF, { onFailed: 'fail' }) declare parts: Id[];
    }

    expect(() => compile(plugged(schemaOf(definition)).loadClass(Anew))).toThrow(
      `The dependency \`${path}\` is declared twice, as \``,
    );
  });
});

describe('a plain class, named by the option `class`', () => {
  it('declares its fields and those it inherits', () => {
    expect(typesOf(compile(plugged(schemaOf(), { class: Plain })).schema)).toEqual({ source: DIRECT, parts: ANY_OF });
    expect(typesOf(compile(plugged(schemaOf(), { class: Base })).schema)).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it('reaches the copies of the schema', () => {
    expect(typesOf(compile(plugged(schemaOf(), { class: Base }).clone()).schema)).toEqual({
      source: DIRECT,
      parts: ALL_OF,
    });
  });

  it('may be named twice with the plugin', () => {
    expect(() => compile(plugged(plugged(schemaOf(), { class: Base }), { class: Base }))).not.toThrow();
  });
});

class Source extends TaskBase {
  @prop({ type: String }) name?: string;
}
plugin(taskQueue)(Source);

@plugin(taskQueue, { leaseMs: 60_000 })
class Build extends TaskBase {
  @DependsOn(DIRECT)
  @prop({ ref: () => Source })
  source?: Ref<Source>;

  @prop({ ref: () => Source })
  @DependsOn(ALL_OF)
  parts?: Ref<Source>[];
}

class Release extends Build {
  @DependsOn(ANY_OF, { onFailed: 'fail' })
  @prop({ ref: () => Source })
  declare parts?: Ref<Source>[];

  @prop({ type: String }) version?: string;
}

describe('a Typegoose class', () => {
  const database = useDatabase();

  it('declares its fields', () => {
    expect(typesOf(buildSchema(Build))).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it('inherits fields and declares them anew, and leaves its base as it is', () => {
    expect(typesOf(buildSchema(Release))).toEqual({ source: DIRECT, parts: ANY_OF });
    expect(typesOf(buildSchema(Build))).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it('may get the plugin when its schema is built', () => {
    class Late {
      @DependsOn(DIRECT) @prop({ ref: () => Source }) source?: Ref<Source>;
      @DependsOn(ANY_OF) @prop({ ref: () => Source }) parts?: Ref<Source>[];
    }

    expect(typesOf(buildSchema(Late).plugin(taskQueue))).toEqual({ source: DIRECT, parts: ANY_OF });
  });

  it('may have the path option in `@prop`', () => {
    class Written {
      @prop({ ref: () => Source, dependsOn: DIRECT }) source?: Ref<Source>;
      @prop({ ref: () => Source, dependsOn: ALL_OF }) parts?: Ref<Source>[];
    }

    expect(typesOf(compile(plugged(buildSchema(Written) as Schema)).schema)).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it('is refused for a field that is no `@prop`', () => {
    class Half {
      @DependsOn(DIRECT) source?: Ref<Source>;
      @prop({ type: String }) name?: string;
    }

    expect(() => compile(plugged(buildSchema(Half) as Schema))).toThrow(
      '`source` is a dependency but no path of the schema.',
    );
  });

  it('holds its tasks back, and those of its discriminators', async () => {
    const existingConnection = database.connection;
    const SourceModel = getModelForClass(Source, { existingConnection });
    const BuildModel = getModelForClass(Build, { existingConnection });
    const ReleaseModel = getDiscriminatorModelForClass(BuildModel, Release);
    const [source, part] = await SourceModel.push([{ name: 'source' }, { name: 'part' }]);
    await BuildModel.push({ parts: [source!._id, part!._id] });
    await ReleaseModel.push({ parts: [source!._id, part!._id], version: '1' });

    expect([await BuildModel.pop(), await ReleaseModel.pop()]).toEqual([null, null]);
    await source!.finish();
    expect((await popSoon(ReleaseModel)).version).toBe('1');
    expect(await BuildModel.pop()).toBeNull();
    await part!.finish();
    expect(await BuildModel.pop()).not.toBeNull();
  });
});

class Cat {}

@NestSchema()
class Visit {
  @DependsOn(DIRECT)
  @Prop({ type: ObjectId, ref: 'Source' })
  source!: Id;

  @DependsOn(ALL_OF)
  @Prop({ type: [{ type: ObjectId, ref: () => Cat }] })
  parts!: Id[];
}

@NestSchema()
class Operation extends Visit {
  @DependsOn(ANY_OF)
  @Prop({ type: [{ type: ObjectId, ref: 'Source' }] })
  declare parts: Id[];
}

describe('a NestJS class', () => {
  const database = useDatabase();
  const nestSchema = (type: new () => unknown) => SchemaFactory.createForClass(type) as unknown as Schema;

  it('declares its fields when the plugin is told about it', () => {
    expect(typesOf(compile(plugged(nestSchema(Visit), { class: Visit })).schema)).toEqual({
      source: DIRECT,
      parts: ALL_OF,
    });
  });

  it('declares its fields when it is loaded into its schema', () => {
    expect(typesOf(compile(plugged(nestSchema(Visit).loadClass(Visit))).schema)).toEqual({
      source: DIRECT,
      parts: ALL_OF,
    });
  });

  it('inherits fields and declares them anew', () => {
    const schema = plugged(nestSchema(Operation), { class: Operation });

    expect(typesOf(compile(schema).schema)).toEqual({ source: DIRECT, parts: ANY_OF });
  });

  it('may have the path option in `@Prop`', () => {
    @NestSchema()
    class Written {
      @Prop({ type: ObjectId, ref: 'Source', dependsOn: 'DIRECT' }) source!: Id;
      @Prop({ type: [{ type: ObjectId, ref: 'Source', dependsOn: 'ALL_OF' }] }) parts!: Id[];
    }

    expect(typesOf(compile(plugged(nestSchema(Written))).schema)).toEqual({ source: DIRECT, parts: ALL_OF });
  });

  it('holds its tasks back', async () => {
    const SourceModel = database.connection.model('Source', taskQueue(new Schema({ name: String })));
    const Task = database.connection.model('Operation', plugged(nestSchema(Operation), { class: Operation }));
    const [source, part] = await SourceModel.push([{ name: 'source' }, { name: 'part' }]);
    await push(Task, { source: source!._id, parts: [part!._id] });

    expect(await pop(Task)).toBeNull();
    await Promise.all([source!.finish(), part!.finish()]);
    expect(await pop(Task)).not.toBeNull();
  });
});

describe('two copies of the package', () => {
  it('read the same class, each for its own plugin', () => {
    const mongoose = jest.requireActual<object>('mongoose');
    let other!: typeof import('../../lib');
    jest.isolateModules(() => {
      jest.doMock('mongoose', () => mongoose);
      other = require('../../lib') as typeof other;
    });

    const own = compile(plugged(schemaOf().loadClass(Sub)));
    const others = compile(other.taskQueue(schemaOf().loadClass(Sub)) as Schema);

    expect(other.taskQueue).not.toBe(taskQueue);
    for (const { schema } of [own, others]) expect(typesOf(schema)).toEqual({ source: DIRECT, parts: ANY_OF });
  });
});
