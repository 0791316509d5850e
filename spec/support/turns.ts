import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Model, mongo } from 'mongoose';
import { nativeOf } from './raw';

/** One operation of the server: an update of one document, or one read. */
export interface Step {
  readonly actor: string;
  /** The method of the collection. */
  readonly name: string;
  readonly filter: mongo.Document;
}

interface Waiting {
  readonly step: Step;
  run(): Promise<void>;
}

/** Rounds of the event loop in which whoever goes on after a step comes to its next one. */
const ROUNDS = 3;

/**
 * Lets several actors work on one database in turns: each waits before each of its operations, and one of those that wait is
 * chosen to go on. So an order in which they meet is not a matter of luck but of `choose`, and can be repeated.
 */
export class Turns {
  readonly #waiting: Waiting[] = [];
  readonly #dead = new Set<string>();
  #isPlaying = false;

  /** @param after is awaited after each step, while everybody stands still. */
  constructor(
    private readonly choose: (actors: readonly string[]) => number,
    private readonly after: (step: Step) => Promise<void>,
  ) {}

  /** Runs an operation when its turn has come; at once while nobody plays. */
  take<T>(step: Step, operation: () => Promise<T>): Promise<T> {
    if (this.#dead.has(step.actor)) return Promise.reject(new Error(`${step.actor} is dead`));
    if (!this.#isPlaying) return operation();

    return new Promise<T>((resolve, reject) => {
      const run = async () => {
        if (this.#dead.has(step.actor)) return reject(new Error(`${step.actor} is dead`));
        try {
          const result = await operation();
          await this.after(step);
          resolve(result);
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.push({ step, run });
    });
  }

  /** From here on nothing that the actor does reaches the server, as if its process had ended. */
  kill(actor: string): void {
    this.#dead.add(actor);
  }

  /** Plays until every actor has ended. Their errors are theirs to handle, except those of who was killed. */
  async play(actors: Readonly<Record<string, () => Promise<void>>>): Promise<void> {
    this.#isPlaying = true;
    let playing = Object.keys(actors).length;
    const ends = Object.entries(actors).map(async ([name, act]) => {
      try {
        await act();
      } catch (error) {
        if (!this.#dead.has(name)) throw error;
      } finally {
        playing--;
      }
    });
    const failed = Promise.all(ends).then(() => false);
    failed.catch(() => {});

    while (playing > 0 || this.#waiting.length > 0) {
      for (let round = 0; round < ROUNDS; round++) await nextTurn();
      const choice = this.choose(this.#waiting.map(({ step }) => step.actor));
      const [next] = this.#waiting.splice(choice, 1);
      if (next) await next.run();
      else await sleep(1);
    }
    this.#isPlaying = false;
    await failed;
  }
}

/**
 * Makes all that a model's collection is asked for wait for its turn, one document at a time: what the server does as one
 * command, but not as one step, is taken apart.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- "a model of whatever schema"
export function inTurns(model: Model<any, any, any, any, any, any>, actor: string, turns: () => Turns | null): void {
  const collection = nativeOf(model);
  const { db } = model.db;
  const real = {
    command: db!.command.bind(db),
    find: collection.find.bind(collection),
    findOne: collection.findOne.bind(collection),
    findOneAndUpdate: collection.findOneAndUpdate.bind(collection),
    insertOne: collection.insertOne.bind(collection),
    insertMany: collection.insertMany.bind(collection),
    updateOne: collection.updateOne.bind(collection),
    updateMany: collection.updateMany.bind(collection),
  };
  const take = <T>(name: string, filter: mongo.Document, operation: () => Promise<T>) =>
    turns()?.take({ actor, name, filter }, operation) ?? operation();

  const updateMany = async (filter: mongo.Document, update: mongo.Document, options: object) => {
    const ids = (filter['_id'] as { $in?: unknown[] } | undefined)?.$in ?? [null];
    let matchedCount = 0;
    for (const _id of ids) {
      const one = _id === null ? filter : { ...filter, _id };
      const result = await take('updateMany', filter, () => real.updateMany(one, update, options));
      matchedCount += result.matchedCount;
    }

    return { matchedCount };
  };

  db!.command = (command: mongo.Document, options) =>
    command['find'] === model.collection.collectionName
      ? take('find', command['filter'] as mongo.Document, () => real.command(command, options))
      : real.command(command, options);
  Object.assign(collection, {
    find: (filter: mongo.Document, options: object) => ({
      toArray: () => take('find', filter, () => real.find(filter, options).toArray()),
    }),
    findOne: (filter: mongo.Document, options: object) => take('findOne', filter, () => real.findOne(filter, options)),
    findOneAndUpdate: (filter: mongo.Document, update: mongo.Document, options: object) =>
      take('findOneAndUpdate', filter, () => real.findOneAndUpdate(filter, update, options)),
    insertOne: (document: mongo.Document, options: object) =>
      take('insertOne', {}, () => real.insertOne(document, options)),
    insertMany: (documents: mongo.Document[], options: object) =>
      take('insertMany', {}, () => real.insertMany(documents, options)),
    updateOne: (filter: mongo.Document, update: mongo.Document, options: object) =>
      take('updateOne', filter, () => real.updateOne(filter, update, options)),
    updateMany,
    async bulkWrite(statements: mongo.Document[]) {
      let matchedCount = 0;
      for (const { updateOne, updateMany: many } of statements) {
        const { filter, update, ...options } = updateOne ?? many;
        matchedCount += (await updateMany(filter, update, options)).matchedCount;
      }

      return { matchedCount };
    },
  });
}
