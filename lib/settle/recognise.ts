import type { ClientSession } from 'mongoose';
import { type AnyDocument, collectionOf, definitionOf, modelOf } from '../definition/definition';
import { leniently, NEWEST } from '../server/read';
import { answered } from '../server/time-limit';
import { adopt, type Change } from './change';
import { unmark } from './restore';

/** Brings the document up to date with a change that an earlier try wrote, and whose answer was lost. */
export async function recognise(document: AnyDocument, change: Change, session: ClientSession | null): Promise<void> {
  if (document.isModified()) await reload(document, session);
  adopt(document, change);
}

// Fields written by that try are not modified any more. Unmarking them is not enough: an array would add its elements once more.
async function reload(document: AnyDocument, session: ClientSession | null): Promise<void> {
  const { model, hidden } = definitionOf(modelOf(document));
  const options = {
    ...NEWEST,
    ...(hidden && { projection: hidden }),
    ...(session && { session }),
  };
  const raw = await leniently(model, (how) =>
    answered(collectionOf(model).findOne({ _id: document._id }, { ...options, ...how })),
  );
  for (const path of document.directModifiedPaths()) unmark(document, path);
  if (raw) document.init(raw);
}
