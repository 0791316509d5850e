/** How a hold ended, as its holder was told. */
export type Outcome = 'finished' | 'failed' | 'retried' | 'released' | 'lost';

/** What a task waits for, by the ids of other tasks. */
export interface Needs {
  /** All of them finished; it fails with any of them. */
  readonly all: readonly string[];
  /** One of them finished. */
  readonly any: readonly string[];
  /** All of these failed. */
  readonly broken: readonly string[];
}

/** What the program that pushes a task has decided about it. */
export interface Intent {
  readonly task: string;
  readonly ends: 'FINISHED' | 'FAILED';
  readonly delayMs: number;
  readonly needs: Needs;
  readonly recurs: boolean;
}

/** One hold of a task, named by the task and its fence. */
interface OfHold {
  readonly task: string;
  readonly fence: number;
}

/**
 * What happened, by who saw it. Times are milliseconds of this machine's clock as no process can shift it (see `clock.ts`), the same in
 * all processes and, as long as it runs on the same machine, on the server.
 */
export type Event = {
  readonly at: number;
  /** A process, or one part of it: `consumer1.2/queue`. */
  readonly by: string;
} & (
  | { readonly name: 'started'; readonly unique: string; readonly parts: readonly string[] }
  | { readonly name: 'ended' }
  | ({ readonly name: 'pushing' } & Intent)
  | { readonly name: 'pushed'; readonly task: string }
  | ({ readonly name: 'claimed'; readonly claimedAt: number; readonly until: number } & OfHold)
  | ({ readonly name: 'renewed'; readonly until: number } & OfHold)
  | ({ readonly name: 'settling'; readonly outcome: Outcome; readonly delayMs: number } & OfHold)
  | ({ readonly name: 'settled'; readonly outcome: Outcome; readonly error?: string } & OfHold)
  /** An answer of the server to a part that looks for tasks. */
  | { readonly name: 'looked' }
  | { readonly name: 'stopping'; readonly limitMs: number }
  /** `lagMs` is how much later than asked this process was given time meanwhile. */
  | { readonly name: 'stopped'; readonly lagMs: number }
  | { readonly name: 'complained'; readonly text: string }
  // Of the soak itself:
  | {
      readonly name: 'fault';
      readonly fault: string;
      readonly until: number;
      readonly losesAnswers: boolean;
      /** Why it was in vain. */
      readonly failure?: string;
    }
  | { readonly name: 'killed'; readonly process: string }
  | { readonly name: 'gone'; readonly process: string; readonly isKilled: boolean; readonly text: string }
  /** A time without faults, in which healthy workers should do all there is to do. */
  | { readonly name: 'quiet'; readonly until: number }
  /** A task that such a time has left as it was. */
  | { readonly name: 'left'; readonly task: string; readonly text: string }
  /** A hold as it was read from the server. */
  | ({
      readonly name: 'held';
      readonly token: string;
      readonly attempts: number;
      readonly claimedAt: number;
    } & OfHold)
);

export type EventName = Event['name'];
export type EventOf<Name extends EventName> = Extract<Event, { name: Name }>;

/** An event without what its writer adds. */
export type Told = Event extends infer One ? (One extends Event ? Omit<One, 'at' | 'by'> : never) : never;
