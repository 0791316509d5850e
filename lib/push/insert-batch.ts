import { mongo } from 'mongoose';
import { Batcher, type Caller } from '../batcher';
import { collectionOf, type Definition, type RawDocument } from '../definition/definition';
import { answered } from '../server/time-limit';
import { isNetworkError } from '../server/transient';

const batchers = new WeakMap<Definition, Batcher<RawDocument, void>>();

/**
 * Inserts one document. Documents that come while an insert is under way are inserted together by the next one; after the server's
 * answer each caller learns the outcome of its own document.
 */
export function insertInBatch(definition: Definition, document: RawDocument): Promise<void> {
  const batcher = batchers.get(definition) ?? new Batcher({ serve: (callers) => serve(definition, callers) });
  batchers.set(definition, batcher);

  return batcher.call(document);
}

async function serve(definition: Definition, callers: readonly Caller<RawDocument, void>[]): Promise<void> {
  if (callers.length === 1) return insertAlone(definition, callers);

  const documents = callers.map(({ item }) => item);
  const options = { ordered: false, ...definition.writeConcern };
  let refused: readonly Caller<RawDocument, void>[] = [];
  try {
    await answered(collectionOf(definition.model).insertMany(documents, options));
  } catch (error) {
    refused = refusedBy(error, callers);
  }
  for (const caller of callers) if (!refused.includes(caller)) caller.resolve();
  // Refused documents are inserted once more, each alone: the error for one of many does not tell, for example, which key was taken.
  await insertAlone(definition, refused);
}

async function insertAlone(definition: Definition, callers: readonly Caller<RawDocument, void>[]): Promise<void> {
  const collection = collectionOf(definition.model);
  await Promise.all(
    callers.map(({ item, resolve, reject }) =>
      answered(collection.insertOne(item, definition.writeConcern)).then(() => resolve(), reject),
    ),
  );
}

/** The callers whose documents were not inserted because of a fault in one of them. @throws any other error: it is every caller's. */
function refusedBy(
  error: unknown,
  callers: readonly Caller<RawDocument, void>[],
): readonly Caller<RawDocument, void>[] {
  // An error of the driver itself, for example for a document that is too large: nothing was sent.
  if (!(error instanceof mongo.MongoServerError) && !isNetworkError(error)) return callers;
  const { writeErrors, insertedCount } = error as Partial<mongo.MongoBulkWriteError>;
  const refused = [writeErrors ?? []].flat().map(({ index }) => callers[index]!);
  if (refused.length === 0 || refused.length + (insertedCount ?? 0) !== callers.length) throw error;

  return refused;
}
