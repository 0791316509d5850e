import type { mongo } from 'mongoose';
import { type AnyDocument, type AnyModel, modelOf } from '../definition/definition';
import { onTransaction } from '../definition/transaction';
import { handleOf } from '../task/handle';
import { snapshot } from './snapshot';

/** So many are looked through at the least before those that were settled are let go. */
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

/** Who tells which tasks it has in hand, for each client. */
const holders = new WeakMap<mongo.MongoClient, Set<Holder>>();
const handsOf = new WeakMap<mongo.MongoClient, TasksInHand>();

/**
 * Has a holder of tasks asked for them when a transaction begins, until the returned function is called. Of such a task a transaction keeps
 * what it was then: what its callback changes before it first writes the task is put back as well.
 */
export function onHandsAsked(model: AnyModel, holder: Holder): () => void {
  const client = model.db.getClient() as unknown as mongo.MongoClient;
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

/** The same for one task that was handed to a caller, for as long as the caller has it. */
export function noteInHand(task: AnyDocument): void {
  const model = modelOf(task);
  const client = model.db.getClient() as unknown as mongo.MongoClient;
  let hands = handsOf.get(client);
  if (!hands) {
    hands = new TasksInHand();
    handsOf.set(client, hands);
    onHandsAsked(model, hands.held);
  }
  hands.add(task);
}

/** How to put back tasks that nobody has changed since: many may be in hand while one transaction after the other begins. */
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

/** To be called when a task was saved: it has no changes, but is not what it was. */
export function forgetUnchanged(task: AnyDocument): void {
  unchanged.delete(task);
}

function isHeld(task: AnyDocument | undefined): boolean {
  return task !== undefined && handleOf(task).lease !== null;
}
