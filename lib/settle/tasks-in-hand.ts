import type { mongo } from 'mongoose';
import { type AnyDocument, type AnyModel, clientOf, modelOf } from '../definition/definition';
import { onTransaction } from '../definition/transaction';
import { isStandalone } from '../server/clock';
import { handleOf } from '../task/handle';
import { snapshot } from './snapshot';

/** From this many noted tasks on, those that were settled are removed from the list. */
const MIN_SWEEP = 100;

/** The tasks of one client that were handed to this process. */
class TasksInHand {
  #tasks: WeakRef<AnyDocument>[] = [];
  #sweepAt = MIN_SWEEP;

  add(task: AnyDocument): void {
    this.#tasks.push(new WeakRef(task));
    if (this.#tasks.length < this.#sweepAt) return;

    this.#sweepAt = Math.max(MIN_SWEEP, 2 * this.held().length);
  }

  readonly held = (): AnyDocument[] => {
    this.#tasks = this.#tasks.filter((one) => isHeld(one.deref()));

    return this.#tasks.flatMap((one) => one.deref() ?? []);
  };
}

type Holder = () => Iterable<AnyDocument>;

/** For each client, the functions that list tasks in hand. */
const holders = new WeakMap<mongo.MongoClient, Set<Holder>>();
const handsOf = new WeakMap<mongo.MongoClient, TasksInHand>();

/**
 * Asks `holder` for its tasks whenever a transaction begins, until the returned function is called. The transaction remembers these tasks
 * as they are then, so that an abort also undoes what its callback changed before it first wrote the task.
 */
export function onHandsAsked(model: AnyModel, holder: Holder): () => void {
  const client = clientOf(model)!;
  let ofClient = holders.get(client);
  if (!ofClient) {
    const all = new Set<Holder>();
    holders.set(client, all);
    onTransaction(client, () => [...all].flatMap((held) => [...held()]).map((one) => [one, remembered(one)]));
    ofClient = all;
  }
  ofClient.add(holder);

  return () => ofClient.delete(holder);
}

/** Has transactions remember a task that was handed to a caller, for as long as the caller keeps the document and its lease. */
export function noteInHand(task: AnyDocument): void {
  const model = modelOf(task);
  if (isStandalone(model)) return;
  const client = clientOf(model)!;
  let hands = handsOf.get(client);
  if (!hands) {
    hands = new TasksInHand();
    handsOf.set(client, hands);
    onHandsAsked(model, hands.held);
  }
  hands.add(task);
}

/** Snapshots of tasks that have not changed since, to be used again: many tasks may be in hand while many transactions begin. */
const unchanged = new WeakMap<AnyDocument, () => void>();

function remembered(task: AnyDocument): () => void {
  const isChanged = task.isModified();
  const known = isChanged ? undefined : unchanged.get(task);
  if (known) return known;

  const restore = snapshot(task);
  const once = () => {
    unchanged.delete(task);
    restore();
  };
  if (!isChanged) unchanged.set(task, once);
  return once;
}

/** Forgets the snapshot of a task. Call it after a save: the task has no modifications, but other values than before. */
export function forgetUnchanged(task: AnyDocument): void {
  unchanged.delete(task);
}

function isHeld(task: AnyDocument | undefined): boolean {
  return task !== undefined && handleOf(task).lease !== null;
}
