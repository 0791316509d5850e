import fc from '../support/property';
import { mongo, Schema } from 'mongoose';
import { InvalidOptionError } from 'mongoose-task-queue';
import { castCondition, meets } from '../../lib/dependencies/condition';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';

const { Binary, Decimal128, Long, ObjectId, UUID } = mongo.BSON;

const decimals = [
  '0',
  '0.00',
  '-0',
  '1',
  '1.0',
  '10E-1',
  '0.1',
  '1.50',
  '1E+300',
  'NaN',
  'Infinity',
  '9007199254740993',
];
const ids = ['0123456789abcdef01234567', '0123456789abcdef01234568'];

// Few values, so that equal ones meet often, and many that are equal although they differ in type or in bytes, or the reverse.
const scalar = fc.oneof(
  fc.constantFrom('a', 'A', 'b', '', '1', ids[0]),
  fc.constantFrom(0, -0, 1, 1.5, 0.1, 2 ** 53, 1e300, Number.NaN, Number.POSITIVE_INFINITY),
  fc.constantFrom(...['1', '9007199254740992', '9007199254740993'].map((text) => Long.fromString(text))),
  fc.constantFrom(...decimals.map((text) => Decimal128.fromString(text))),
  fc.constantFrom(true, false),
  fc.constantFrom(...ids.map((text) => new ObjectId(text))),
  fc.constantFrom(new Date(0), new Date(1)),
  fc.constantFrom(new Binary(Buffer.from('ab')), new Binary(Buffer.from('ab'), 5), Buffer.from('ab'), Buffer.from('')),
  fc.constantFrom(new UUID('00000000-0000-4000-8000-000000000001'), new UUID('00000000-0000-4000-8000-000000000002')),
);

const fieldsOf = (names: string[], value: fc.Arbitrary<unknown>) =>
  fc.dictionary(fc.constantFrom(...names), value, { minKeys: 1, maxKeys: 2, noNullPrototype: true });

/** Values that contain the given ones. */
const around = (leaf: fc.Arbitrary<unknown>, maxDepth: number) =>
  fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth },
      { arbitrary: leaf, weight: 4 },
      { arbitrary: fc.array(tie('value'), { maxLength: 3 }), weight: 2 },
      { arbitrary: fieldsOf(['a', 'b', '0'], tie('value')), weight: 3 },
    ),
  })).value;

const PATHS = ['a', 'a', 'a', 'b', 'a.a', 'a.b', 'a.0', 'a.a.b', 'a.0.a', 'a.a.0', 'a.0.0', 'b.a'];

/** Documents and conditions that share their few values. */
const cases = fc.array(around(scalar, 2), { minLength: 1, maxLength: 3 }).chain((values) => {
  const value = fc.constantFrom(...values);
  const field = fc.oneof({ arbitrary: around(value, 2), weight: 9 }, { arbitrary: fc.constant(null), weight: 1 });
  const expected = fc.oneof({ arbitrary: value, weight: 3 }, fc.record({ $in: fc.array(value, { maxLength: 3 }) }));

  return fc.record({
    documents: fc.array(fieldsOf(['a', 'b'], field), { minLength: 10, maxLength: 20 }),
    conditions: fc.array(fieldsOf(PATHS, expected), { minLength: 10, maxLength: 20 }),
  });
});

describe('a condition', () => {
  const database = useDatabase();
  const makeThing = (schema: Schema) => database.connection.model('Thing', schema, 'things', { overwriteModels: true });

  it('is met by the documents that a query of the server finds, whatever the values and the paths', async () => {
    const things = nativeOf(makeThing(new Schema({})));
    let matches = 0;

    await fc.assert(
      fc.asyncProperty(cases, async ({ documents, conditions }) => {
        await things.deleteMany({});
        await things.insertMany(documents.map((fields, _id) => ({ ...fields, _id })));
        const raw = await things.find().sort({ _id: 1 }).toArray();

        for (const condition of conditions) {
          const found = await things.find(condition).sort({ _id: 1 }).toArray();
          const met = raw.filter((document) => meets(document, condition));
          expect({ condition, met }).toEqual({ condition, met: found });
          matches += found.length;
        }
      }),
    );
    // Or the values hardly ever met and nothing was shown.
    expect(matches).toBeGreaterThan(200);
  });

  it.each([
    ['an ObjectId', { owner: ids[0] }, { owner: new ObjectId(ids[0]) }],
    ['a Date', { at: '2026-01-31' }, { at: new Date('2026-01-31') }],
    ['numbers of a list', { size: { $in: ['1', 2] } }, { size: { $in: [1, 2] } }],
    ['a number of 64 bits', { big: 5 }, { big: 5n }],
    ['a decimal', { price: 0 }, { price: Decimal128.fromString('0') }],
    ['an ObjectId in an array', { 'lines.owner': ids[0] }, { 'lines.owner': new ObjectId(ids[0]) }],
    ['what the schema does not know, as it is', { other: '5' }, { other: '5' }],
  ])('is cast to %s', (_what, when, expected) => {
    const Thing = makeThing(thingSchema());

    expect(castCondition(Thing, when)).toEqual(expected);
  });

  it('is left as it was declared when it is cast', () => {
    const when = { size: { $in: ['1', '2'] }, owner: ids[0] };

    castCondition(makeThing(thingSchema()), when);

    expect(when).toEqual({ size: { $in: ['1', '2'] }, owner: ids[0] });
  });

  it('is refused when queries of the model would leave a path of it out', () => {
    const Thing = makeThing(thingSchema({ strictQuery: true }));

    expect(() => castCondition(Thing, { size: 1, sise: 1 })).toThrow(InvalidOptionError);
    expect(() => castCondition(Thing, { size: 1, sise: 1 })).toThrow('`when: { sise: … }` names no path of Thing');
  });

  const thingSchema = (options = {}) =>
    new Schema(
      {
        owner: Schema.Types.ObjectId,
        at: Date,
        size: Number,
        big: BigInt,
        price: Schema.Types.Decimal128,
        lines: [{ owner: Schema.Types.ObjectId }],
      },
      options,
    ) as unknown as Schema;
});
