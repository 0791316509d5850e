import { createConnection, Types, type Connection, type mongo } from 'mongoose';
import { readInput, say } from '../support/programs/talk';
import { openHistory, type History, type Note } from './history';
import { makeTasks, type Tasks, type TaskOptions } from './tasks';

/** What every program of the soak is given. */
export interface ProgramInput extends TaskOptions {
  readonly uri: string;
  /** Where it writes its history, and its name in there. */
  readonly folder: string;
  readonly name: string;
  readonly seed: number;
  readonly hasTransactions: boolean;
  /** How far its clock is off. */
  readonly shiftMs: number;
  /** Its parts, each of which should always look for tasks. */
  readonly roles: readonly string[];
}

/** Tells the soak that this process is at work: it is not killed before that. */
export function sayReady(): void {
  say({ ready: true });
}

/** Runs a program until it has ended, or was asked to. It writes down when and by what it ends. */
export async function runProgram<Input extends ProgramInput>(
  main: (input: Input, history: History, ending: AbortSignal) => Promise<void>,
): Promise<void> {
  const input = readInput<Input>();
  const history = openHistory(input.folder, input.name);
  const ending = new AbortController();
  process.once('SIGTERM', () => ending.abort());
  // An id names the process that made it: so a token tells whose claim it was.
  const unique = uniqueOf(new Types.ObjectId().toHexString());
  history.note({ name: 'started', unique, parts: input.roles.map((role) => `${input.name}/${role}`) });
  await main(input, history, ending.signal);
  history.note({ name: 'ended' });
}

/** The part of an id that is the same for all of one process. */
export function uniqueOf(id: string): string {
  return id.slice(8, 18);
}

const HOUSEKEEPING = ['hello', 'ping', 'getMore', 'endSessions', 'killCursors'];
const LOOKED_MS = 300;
const TRIES = 5;

/** A connection with the models. Every answer to a look for tasks is told, a few times a second at the most. */
export async function connect(
  { uri, ...options }: ProgramInput,
  note: Note,
): Promise<{ connection: Connection; tasks: Tasks }> {
  const connection = await open(uri);
  let toldAt = 0;
  (connection.getClient() as unknown as mongo.MongoClient).on('commandSucceeded', ({ commandName }) => {
    if (HOUSEKEEPING.includes(commandName) || performance.now() - toldAt < LOOKED_MS) return;
    toldAt = performance.now();
    note({ name: 'looked' });
  });

  return { connection, tasks: makeTasks(connection, options) };
}

// A program may be started while the server is down.
async function open(uri: string): Promise<Connection> {
  for (let tries = 1; ; tries++) {
    const connection = createConnection(uri, { monitorCommands: true, autoIndex: false });
    try {
      return await connection.asPromise();
    } catch (error) {
      await connection.destroy().catch(() => {});
      if (tries === TRIES) throw error;
    }
  }
}
