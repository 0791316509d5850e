import fc from 'fast-check';
import { mongo, Schema } from 'mongoose';
import { castCondition, meets } from '../../lib/dependencies/condition';
import { useDatabase } from '../support/database';
import { nativeOf } from '../support/raw';

const { Binary, Decimal128, Long, ObjectId, UUID } = mongo.BSON as unknown as typeof mongo & { UUID: typeof mongo.BSON.UUID };

// Few values, so that equal ones meet often, and some that are equal although they differ in type or in bytes.
const scalar = fc.oneof(
  fc.constantFrom('a', 'A', 'b', '', '1', '0123456789abcdef01234567'),
  fc.constantFrom(0, -0, 1, 5, 1.5, 0.1, 2 ** 53, 1e300, Number.NaN, Number.POSITIVE_INFINITY),
  fc.constantFrom(...['1', '5', '9007199254740993'].map((text) => Long.fromString(text))),
  fc.constantFrom(...['0', '0.00', '1', '1.0', '0.1', '1.50', '1E+300', 'NaN', 'Infinity', '-0', '9007199254740993'].map((text) => Decimal128.fromString(text))),
  fc.constantFrom(true, false),
  fc.constantFrom(...['0123456789abcdef01234567', '0123456789abcdef01234568'].map((text) => new ObjectId(text))),
  fc.constantFrom(new Date(0), new Date(1)),
  fc.constantFrom(new Binary(Buffer.from('ab')), new Binary(Buffer.from('ab'), 5), Buffer.from('ab'), Buffer.from('')),
  fc.constantFrom(new UUID('00000000-0000-4000-8000-000000000001'), new UUID('00000000-0000-4000-8000-000000000002')),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { arbitrary: scalar, weight: 6 },
    { arbitrary: fc.array(tie('value'), { maxLength: 2 }), weight: 2 },
    { arbitrary: fc.dictionary(fc.constantFrom('a', 'b', '0'), tie('value'), { maxKeys: 2, noNullPrototype: true }), weight: 3 },
  ),
}));
const stored = fc.oneof({ arbitrary: value, weight: 9 }, fc.constant(null));
const document = fc.dictionary(fc.constantFrom('a', 'b'), stored, { maxKeys: 2, noNullPrototype: true });
const expected = fc.oneof(
  value,
  fc.record({ $in: fc.array(value, { maxLength: 3 }) }),
);
const path = fc.constantFrom('a', 'b', 'a.a', 'a.b', 'a.0', 'a.a.b', 'a.0.a', 'a.a.0', 'b.a');
const condition = fc.dictionary(path, expected, { minKeys: 1, maxKeys: 2, noNullPrototype: true });

describe('meets', () => {
  afterAll(() => console.log((globalThis as any).cnt));
  const database = useDatabase();

  it('finds the documents that the server finds', async () => {
    const Thing = database.connection.model('Thing', new Schema({}));
    const things = nativeOf(Thing);

    await fc.assert(
      fc.asyncProperty(fc.array(document, { minLength: 1, maxLength: 20 }), fc.array(condition, { minLength: 1, maxLength: 10 }), async (documents, conditions) => {
        await things.deleteMany({});
        await things.insertMany(documents.map((fields, _id) => ({ ...fields, _id })));
        const all = await things.find().toArray();

        for (const one of conditions) {
          const found = (await things.find(one).toArray()).map(({ _id }) => _id as number);
          if (globalThis.cnt === undefined) globalThis.cnt = [0,0]; globalThis.cnt[0]++; globalThis.cnt[1]+=found.length; const met = all.filter((raw) => meets(raw, one)).map(({ _id }) => _id as number);
          const differ = all.filter(({ _id }) => found.includes(_id) !== met.includes(_id)).map((raw) => ({raw, found: found.includes(raw._id) }));
          if (differ.length) throw new Error(require('util').inspect({ one, differ }, {depth: 9}));
        }
      }),
      { numRuns: 100 },
    );
  });
});
