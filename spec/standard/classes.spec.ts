import { createConnection, Schema, type Types } from 'mongoose';
import { DependencyType, DependsOn, taskQueue } from '../../lib';
import { useDatabase } from '../support/database';

const { ALL_OF, ANY_OF, DIRECT } = DependencyType;
type Id = Types.ObjectId;

const one = { type: Schema.Types.ObjectId, ref: 'Source' };
const paths = { source: one, parts: [one] };
const schemaOf = (definition = {}) => new Schema(definition) as Schema;
const plugged = (schema: Schema, options = {}) => taskQueue(schema, options) as Schema;

/** On a connection that is never opened: whatever the model is, no database knows of it. */
function typesOf(schema: Schema): unknown[] {
  const { schema: compiled } = createConnection().model('Task', schema);

  return ['source', 'parts'].map(
    (path) => (compiled.path(path).options as { dependsOn?: { type: string } }).dependsOn?.type,
  );
}

class Base {
  @DependsOn(DIRECT) source!: Id;
  @DependsOn(ALL_OF) parts: Id[] = [];
}
class Sub extends Base {
  @DependsOn(ANY_OF, { onFailed: 'fail' }) override parts: Id[] = [];
}

describe('a class with standard decorators', () => {
  const database = useDatabase();

  it.each<[string, () => Schema]>([
    ['loaded before the plugin', () => plugged(schemaOf(paths).loadClass(Base))],
    ['loaded after the plugin', () => plugged(schemaOf(paths)).loadClass(Base)],
    ['loaded before its paths', () => plugged(schemaOf().loadClass(Base)).add(paths)],
    [
      'loaded before its paths, in a schema that is copied',
      () => plugged(schemaOf().loadClass(Base)).clone().add(paths),
    ],
    ['named by the option `class`', () => plugged(schemaOf(paths), { class: Base })],
  ])('declares its fields, %s', (_how, makeSchema) => {
    expect(typesOf(makeSchema())).toEqual([DIRECT, ALL_OF]);
  });

  it('declares anew what its base declares, whichever is loaded first', () => {
    expect(typesOf(plugged(schemaOf(paths), { class: Sub }))).toEqual([DIRECT, ANY_OF]);
    expect(typesOf(plugged(schemaOf(paths)).loadClass(Base).loadClass(Sub))).toEqual([DIRECT, ANY_OF]);
    expect(typesOf(plugged(schemaOf(paths)).loadClass(Sub).loadClass(Base))).toEqual([DIRECT, ANY_OF]);
    expect(typesOf(plugged(schemaOf(paths)).loadClass(Base))).toEqual([DIRECT, ALL_OF]);
  });

  it('is refused for a field that is no path', () => {
    expect(() => typesOf(plugged(schemaOf({ source: one }), { class: Base }))).toThrow(
      '`parts` is a dependency but no path of the schema.',
    );
  });

  it('holds its tasks back', async () => {
    const Source = database.connection.model('Source', taskQueue(new Schema({ name: String })));
    const Task = database.connection.model('Task', taskQueue(new Schema(paths), { class: Sub }));
    const [source, part] = await Source.push([{ name: 'source' }, { name: 'part' }]);
    const { id } = await Task.push({ source: source!._id, parts: [part!._id] });

    expect(await Task.pop()).toBeNull();
    await Promise.all([source!.finish(), part!.finish()]);
    expect((await Task.pop())?.id).toBe(id);
  });
});
