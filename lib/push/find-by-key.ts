import type { ClientSession } from 'mongoose';
import { type AnyDocument, type AnyModel, definitionOf } from '../definition/definition';
import { sessionOf } from '../definition/transaction';
import { isLive } from '../fields';
import { connected } from '../server/clock';
import { refuseUnknown, requireText } from '../values/check';
import { hydrateOfKey, keysReady, readOfKey } from './of-key';

/** Options of `findByKey()`. */
export interface FindByKeyOptions {
  /** A session, to read in its transaction. Default: none. */
  session?: ClientSession | null | undefined;
}

/** The live task that has a key, or null. See `TaskStatics.findByKey`. */
export async function findByKey(
  model: AnyModel,
  key: string,
  options: FindByKeyOptions = {},
): Promise<AnyDocument | null> {
  refuseUnknown(options, ['session'], 'findByKey()');
  requireText('key', key, "`findByKey('invoice-42')`");
  const definition = definitionOf(model);
  const session = sessionOf(model, options);
  await connected(model);
  await keysReady(model, session);
  const { front, aside } = await readOfKey(definition, key, session);
  const live = front && isLive(front[definition.options.fields.state]) ? front : aside;

  return live && hydrateOfKey(definition, live);
}
