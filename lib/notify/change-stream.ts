import type { mongo } from 'mongoose';
import { type AnySchema, nativeDatabaseOf, optionsOf } from '../definition/definition';
import { State, UNDONE_STATES } from '../fields';
import { explained } from '../server/explain-error';
import { changesOf } from '../server/open-stream';
import { perClient } from '../server/per-client';
import { SharedStream } from '../server/shared-stream';
import { announceNamespace, type Watched } from './arrivals';

/** The driver's errors for a client that the application has closed: no reason to warn. */
const CLOSED_BY_THE_APPLICATION = new Set(['MongoClientClosedError', 'MongoNotConnectedError']);

/** The names of the fields that an update has set, as whole texts, since they contain dots; `['']` for an insert. */
const written = {
  $ifNull: [{ $map: { input: { $objectToArray: '$updateDescription.updatedFields' }, in: '$$this.k' } }, ['']],
};
/** A renewal of a lease, and a request to cancel the task, set these fields at most. A wake also removes fields. */
const isForHolder = {
  'updateDescription.removedFields': { $size: 0 },
  $expr: { $setIsSubset: [written, ['_task.availableAt', '_task.progress', '_task.cancel']] },
};

/** The changes of one database and client, heard while a consumer is idle: it looks for itself, and goes on polling without them. */
class DatabaseChanges {
  readonly #collections = new Set<string>();
  /** Collections that tasks wait for: there the ends of tasks are news, too. */
  readonly #awaited = new Set<string>();
  readonly #stateFields = new Set<string>();
  readonly #stream: SharedStream;
  #isWarned = false;

  constructor(database: mongo.Db) {
    this.#stream = new SharedStream({
      name: `change stream on ${database.databaseName}`,
      open: changesOf(
        database,
        () => this.#news(),
        ({ db, coll }) => announceNamespace(`${db}.${coll}`),
      ),
      onFailure: (error) => this.#warn(database.databaseName, error),
    });
  }

  /** Keeps the stream open until the returned function is called. */
  watch(watched: readonly Watched[]): () => void {
    return this.#stream.watch(watched.map((one) => this.#add(one)).includes(true));
  }

  #add({ model, isAwaited }: Watched): boolean {
    const size = () => this.#collections.size + this.#awaited.size + this.#stateFields.size;
    const before = size();
    this.#collections.add(model.collection.name);
    if (isAwaited) this.#awaited.add(model.collection.name);
    const options = optionsOf(model.schema as AnySchema);
    if (options) this.#stateFields.add(options.fields.state);

    return size() > before;
  }

  // Leaves out changes that make no task ready: a claim, the end of a task that no other waits for, a renewed or cut lease.
  #news(): mongo.Document {
    const hasState = (states: readonly State[]) =>
      [...this.#stateFields].map((field) => ({ [`updateDescription.updatedFields.${field}`]: { $in: states } }));
    const noNews = [
      ...hasState([State.RUNNING]),
      ...hasState([State.FINISHED, ...UNDONE_STATES]).map((ends) => ({
        ...ends,
        'ns.coll': { $nin: [...this.#awaited] },
      })),
      isForHolder,
    ];

    return {
      operationType: { $in: ['insert', 'update', 'replace'] },
      'ns.coll': { $in: [...this.#collections] },
      $nor: noNews,
    };
  }

  #warn(databaseName: string, error: Error): void {
    if (this.#isWarned || CLOSED_BY_THE_APPLICATION.has(error.name)) return;
    this.#isWarned = true;
    process.emitWarning(
      `The change stream on ${databaseName} failed, so idle queues poll: ${(explained(error) as Error).message}`,
      'TaskQueueWarning',
    );
  }
}

/** The change stream of a model's database. */
export const changeStreamOf = perClient(
  (model) => model.db.name,
  (model) => new DatabaseChanges(nativeDatabaseOf(model)),
);
