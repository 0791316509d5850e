import type { mongo } from 'mongoose';
import { modelOf, type AnyDocument } from '../definition';
import { handleOf } from '../handle';
import { snapshot } from './snapshot';
import { onTransaction } from '../transaction';

/** So many are looked through at the least before those that were settled are let go. */
const MIN_SWEEP = 100;

/** The tasks of one client that were handed to this process. */
class Hands {
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

const handsOf = new WeakMap<mongo.MongoClient, Hands>();

/**
 * Notes that a task is in the hands of its caller. Of such a task a transaction keeps what it was when the transaction began: what its
 * callback changes before it first writes the task is put back as well.
 */
export function noteInHand(task: AnyDocument): void {
  const client = modelOf(task).db.getClient() as unknown as mongo.MongoClient;
  let hands = handsOf.get(client);
  if (!hands) {
    hands = new Hands();
    handsOf.set(client, hands);
    const { held } = hands;
    onTransaction(client, () => held().map((one) => [one, snapshot(one)]));
  }
  hands.add(task);
}

function isHeld(task: AnyDocument | undefined): boolean {
  return task !== undefined && handleOf(task).lease !== null;
}
