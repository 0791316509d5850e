import mongoose, { type mongo, Types } from 'mongoose';
import { type AnyDocument, type AnyModel, type Filter, modelOf } from '../definition/definition';
import type { BookkeepingUpdate } from './change';

/** Takes the update of a save as Mongoose sends it. */
export type Send = (
  where: Filter,
  update: BookkeepingUpdate,
  options: mongo.UpdateOptions,
) => Promise<{ matchedCount: number }>;

/** The description of the symbol under which Mongoose has the collection that a document is saved to. */
const COLLECTION = 'mongoose#Model#collection';

const keys = new WeakMap<AnyModel, symbol | null>();

/**
 * Has the next save of a document give its update to `send` instead of the server; all else of the save is Mongoose's. It ends with that
 * update, since a hook after it may save the document once more, or by the returned function. Only where `canDivert()` says so.
 */
export function divert(document: AnyDocument, send: Send): () => void {
  const own = document as unknown as Record<symbol, object>;
  const key = keyOf(modelOf(document))!;
  const end = () => void delete own[key];
  const updateOne: Send = (...update) => {
    end();
    return send(...update);
  };
  const value: unknown = Object.create(own[key]!, { updateOne: { value: updateOne } });
  Object.defineProperty(own, key, { value, configurable: true });

  return end;
}

/**
 * Whether saves can be diverted. Mongoose has no public way to do it, so it is tried out once, with a document that no server knows: where
 * it does not work, documents are saved as usual.
 */
export function canDivert(model: AnyModel): boolean | Promise<boolean> {
  if (keyOf(model) === null) return false;
  if (works === undefined) {
    works = triedOut();
    void works.then((answer) => (works = answer));
  }

  return works;
}

let works: boolean | Promise<boolean> | undefined;

async function triedOut(): Promise<boolean> {
  const options = { autoCreate: false, autoIndex: false, bufferCommands: false };
  const model = new mongoose.Mongoose().model('Tried', new mongoose.Schema({ value: Number }, options)) as AnyModel;
  if (keyOf(model) === null) return false;

  const document = model.hydrate({ _id: new Types.ObjectId(), value: 1 }) as AnyDocument;
  const sent: unknown[] = [];
  document.set('value', 2);
  divert(document, (_where, update) => {
    sent.push(update.$set?.['value']);
    return Promise.resolve({ matchedCount: 1 });
  });
  await document.save().catch(() => {});

  return sent.length === 1 && sent[0] === 2 && !document.isModified();
}

function keyOf(model: AnyModel): symbol | null {
  let key = keys.get(model);
  if (key === undefined) {
    key = symbolIn(model.prototype as object) ?? null;
    keys.set(model, key);
  }

  return key;
}

function symbolIn(prototype: object | null): symbol | undefined {
  if (prototype === null) return undefined;

  return (
    Object.getOwnPropertySymbols(prototype).find(({ description }) => description === COLLECTION) ??
    symbolIn(Object.getPrototypeOf(prototype) as object | null)
  );
}
