import type { mongo } from 'mongoose';
import type { StreamEvents } from './shared-stream';

/** Where a change was made. */
export interface Namespace {
  readonly db: string;
  readonly coll: string;
}

/** Opens a change stream of a database. `onChange` is called without a namespace when the database was dropped, which ends it without an error. */
export function openStream(
  database: mongo.Db,
  filter: mongo.Document,
  onChange: (namespace: Namespace | undefined) => void,
): mongo.ChangeStream {
  const news = { $or: [{ operationType: 'invalidate' }, filter] };
  const stream = database.watch([{ $match: news }, { $project: { ns: 1 } }], {
    readPreference: 'primary',
    readConcern: { level: 'majority' },
  });

  return stream.on('change', ({ ns }: { ns?: Namespace }) => onChange(ns));
}

/** How a shared stream opens a change stream of a database. `filter` is read each time: the changes that are news, as stages on change events. */
export function changesOf(
  database: mongo.Db,
  filter: () => mongo.Document,
  onChange: (namespace: Namespace) => void,
): (events: StreamEvents) => mongo.ChangeStream {
  return ({ onEnd, onError }) =>
    openStream(database, filter(), (namespace) => (namespace ? onChange(namespace) : onEnd())).on('error', onError);
}
