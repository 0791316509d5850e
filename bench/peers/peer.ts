import type { mongo } from 'mongoose';
import type { ServerKind } from './servers';

/** What is asked of all queues alike. */
export interface Terms {
  /** Whether each handler keeps `RESULT`. */
  readonly keepsResult: boolean;
  /** When what a server has acknowledged is on its disk: by its own settings, within a second, or before it acknowledges. */
  readonly onDisk: 'usual' | 'within a second' | 'before';
}

/** What a handler keeps. */
export const RESULT = { subject: 'done', size: 1_843 } as const;

/** Another queue that ours is compared with. Its packages are installed apart, by `install.ts`. */
export interface Peer {
  readonly name: string;
  /** The first one is the queue itself. Pinned to the newest that runs on Node 20. */
  readonly packages: Readonly<Record<string, string>>;
  readonly server: 'mongod' | ServerKind;
  /** Connects. Returns a queue for each setting: the usual one, and one that is tuned where that can be. */
  open(site: Site): Promise<readonly PeerQueue[]>;
}

export interface Site {
  /** A module among the packages of the peer. */
  load<Module>(name: string): Module;
  readonly terms: Terms;
  /** Where its server is; a mongod with the database's name. */
  readonly url: string;
  /** The same database by our driver. */
  readonly database: mongo.Db;
}

/** A queue in one of its settings. */
export interface PeerQueue {
  readonly name: string;
  /** Makes so many tasks ready in a queue that has no others. Not timed. */
  prepare(count: number): Promise<unknown>;
  /** Works them all with a handler that does nothing, or keeps a result. Ends when the last one is stored as done. */
  drain(count: number): Promise<unknown>;
  close(): Promise<unknown>;
}

/** Fulfils `done` when it was told of so many. */
export class Countdown {
  readonly done: Promise<void>;
  #left: number;
  #resolve: () => void = () => {};

  constructor(count: number) {
    this.#left = count;
    this.done = new Promise((resolve) => (this.#resolve = resolve));
  }

  get isDone(): boolean {
    return this.#left <= 0;
  }

  note(tasks = 1): void {
    this.#left -= tasks;
    if (this.isDone) this.#resolve();
  }
}

/** So many loops that take tasks and complete them until all are done, for a queue that leaves the loop to its user. */
export async function inLoops(loops: number, count: number, takeAndComplete: () => Promise<number>): Promise<void> {
  const countdown = new Countdown(count);
  const loop = async () => {
    while (!countdown.isDone) countdown.note(await takeAndComplete());
  };
  await Promise.all(Array.from({ length: loops }, loop));
}
