import type { mongo } from 'mongoose';
import { type AnyModel, clientOf } from '../definition/definition';
import { monotonic as monotonicClock, sleep, wallClock } from '../timers';
import { askHello, type Hello, requireVersion } from './supported';
import { NotConnectedError } from './transient';

const REFRESH_MS = 60_000;
/** How far an estimate may step back to count as an error of the estimate, in milliseconds; a larger step is another server's clock. */
const MAX_CORRECTION_MS = 1_000;
/** How far this machine's two clocks drift apart between two readings at most, in milliseconds, unless it slept or one was set. */
const MAX_DRIFT_MS = 100;
/** How long an answer may take, sleep of the machine included, in milliseconds: a slower one has an old time, and is asked for again. */
const SLOW_MS = 1_000;
const READINGS = 3;

/** The two clocks of this machine at one moment. */
interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/**
 * An estimate of the server's clock, for times in inserts. It never runs ahead of the server, so a task pushed as ready is ready at once.
 * Between two readings this machine's monotonic clock counts on. That clock stands still while the machine is suspended, so the server is
 * asked again when the wall clock disagrees. No time is ever taken from the wall clock.
 */
export class ServerClock {
  #offset = 0;
  #askedAt: Moment | null = null;
  #last = 0;
  #expirations = 0;
  #refreshing: Promise<void> | null = null;

  /** Whether the server has an oplog, and with it change streams and transactions. Undefined before the first reading. */
  isReplicated: boolean | undefined;

  constructor(
    private readonly hello: () => Promise<Hello>,
    private readonly monotonic: () => number = monotonicClock,
    private readonly wall: () => number = wallClock,
  ) {}

  /** Grows whenever another server may have become the primary, or the connection to it was lost. */
  get generation(): number {
    return this.#expirations;
  }

  get isFresh(): boolean {
    if (!this.#askedAt) return false;
    const age = this.monotonic() - this.#askedAt.monotonic;

    return age <= REFRESH_MS && Math.abs(this.wall() - this.#askedAt.wall - age) <= MAX_DRIFT_MS;
  }

  async now(): Promise<Date> {
    if (!this.isFresh) await this.refresh();

    return this.estimate();
  }

  /** The estimate from the last reading, whatever its age. */
  estimate(): Date {
    const estimate = Math.floor(this.#offset + this.monotonic());
    // Two pushes of one process keep their order across a refresh.
    if (estimate > this.#last || this.#last - estimate > MAX_CORRECTION_MS) this.#last = estimate;

    return new Date(this.#last);
  }

  /** Forgets the last reading: after an election or a lost connection the next server may have another clock. */
  expire(): void {
    this.#expirations++;
    this.#askedAt = null;
  }

  async refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = null;
    });
    await this.#refreshing;
  }

  async #read(): Promise<void> {
    const expirations = this.#expirations;
    let { askedAt, isSlow } = await this.#ask();
    for (let reading = 2; isSlow && reading <= READINGS; reading++) ({ askedAt, isSlow } = await this.#ask());
    // If the clock expired meanwhile, this may be the answer of the former server.
    if (expirations === this.#expirations) this.#askedAt = askedAt;
  }

  async #ask(): Promise<{ askedAt: Moment; isSlow: boolean }> {
    const askedAt = this.#moment();
    const hello = await this.hello();
    requireVersion(hello);
    const { localTime, setName, msg } = hello;
    this.isReplicated = setName !== undefined || msg === 'isdbgrid';
    // The server read its clock before the answer arrived; using the time of arrival puts the estimate behind the server, never ahead.
    const arrivedAt = this.#moment();
    this.#offset = localTime.getTime() - arrivedAt.monotonic;

    const took = Math.max(arrivedAt.monotonic - askedAt.monotonic, arrivedAt.wall - askedAt.wall);
    return { askedAt, isSlow: took > SLOW_MS };
  }

  #moment(): Moment {
    return { monotonic: this.monotonic(), wall: this.wall() };
  }
}

const clocks = new WeakMap<mongo.MongoClient, ServerClock>();

/** The clock of a model's server. Waits until the connection is open. */
export async function clockOf(model: AnyModel): Promise<ServerClock> {
  await connected(model);

  return knownClock(model)!;
}

export async function serverNow(model: AnyModel): Promise<Date> {
  return knownNow(model) ?? (await clockOf(model)).now();
}

/** The server's time where a recent answer tells it, without waiting; else null. */
export function knownNow(model: AnyModel): Date | null {
  const known = knownClock(model);

  return known?.isFresh ? known.estimate() : null;
}

/** Undefined where the connection has not been opened yet. */
function knownClock(model: AnyModel): ServerClock | undefined {
  const client = clientOf(model);
  if (!client) return undefined;
  const clock = clocks.get(client) ?? watch(client);
  clocks.set(client, clock);

  return clock;
}

/**
 * A number that is equal at two moments if the model's server was the same primary all the time between them. Then whatever was read at the
 * first moment is covered by a write that the server acknowledged before the second.
 */
export function generationOf(model: AnyModel): number | undefined {
  return knownClock(model)?.generation;
}

/** Whether the model's server is known to have no oplog, and so no change streams and no transactions. */
export const isStandalone = (model: AnyModel): boolean => {
  const client = clientOf(model);

  return client !== undefined && clocks.get(client)?.isReplicated === false;
};

/** Whether the model's server has change streams. Asks it where that is not known yet. */
export async function hasChangeStreams(model: AnyModel): Promise<boolean> {
  const clock = await clockOf(model);
  if (clock.isReplicated === undefined) await clock.refresh();

  return clock.isReplicated!;
}

function watch(client: mongo.MongoClient): ServerClock {
  const clock = new ServerClock(() => askHello(client));
  client.on('topologyDescriptionChanged', ({ previousDescription, newDescription }) => {
    if (primaryOf(previousDescription) !== primaryOf(newDescription)) clock.expire();
  });
  client.on('serverHeartbeatFailed', () => clock.expire());

  return clock;
}

function primaryOf({ servers }: mongo.TopologyDescription): string | undefined {
  return [...servers.values()].find(({ type }) => type === 'RSPrimary' || type === 'Standalone' || type === 'Mongos')
    ?.address;
}

/** How Mongoose is set to wait for a connection: on the schema, the connection or globally. There is no public way to read it. */
interface Buffering {
  _shouldBufferCommands?(): boolean;
  _getBufferTimeoutMS?(): number;
}

const BUFFER_TIMEOUT_MS = 10_000;
const LOOK_MS = 10;

/**
 * Resolves when the model's connection has been opened. It waits for as long as Mongoose buffers operations before that.
 *
 * @throws {MongooseError} when the connection is not opened in time (`bufferTimeoutMS`), or at once with `bufferCommands: false`.
 */
export async function connected(model: AnyModel): Promise<void> {
  if (model.db.db) return;
  const buffering = model.collection as unknown as Buffering;
  if (buffering._shouldBufferCommands?.() === false)
    throw notConnected(model, 'is not open, and `bufferCommands: false` says not to wait for it');

  const timeoutMs = buffering._getBufferTimeoutMS?.() ?? BUFFER_TIMEOUT_MS;
  const deadline = monotonicClock() + timeoutMs;
  while (!model.db.db) {
    // `asPromise()` rejects when opening fails, and resolves at once when nobody has called `connect()` yet.
    await Promise.race([model.db.asPromise().then(() => sleep(LOOK_MS)), sleep(LOOK_MS)]);
    if (!model.db.db && monotonicClock() > deadline) throw notConnected(model, `was not opened within ${timeoutMs} ms`);
  }
}

function notConnected({ modelName }: AnyModel, what: string): NotConnectedError {
  return new NotConnectedError(
    `The connection of ${modelName} ${what}. Call \`mongoose.connect()\`, or open the connection the model was made with, and wait for it first.`,
  );
}
