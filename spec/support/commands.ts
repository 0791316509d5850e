import type { Connection, mongo } from 'mongoose';
import { openConnection } from './connections';

export interface Command {
  readonly name: string;
  /** What the driver sent. */
  readonly body: mongo.Document;
}

export interface MonitoredConnection {
  readonly connection: Connection;
  /** The commands of one name that were sent since the last `forget()`, oldest first. */
  sent(name: string): Command[];
  /** Those that write, or read documents: not what the driver does for itself. */
  all(): Command[];
  forget(): void;
}

// `getMore`: a change stream asks at any time, and a read is counted by its first command.
const HOUSEKEEPING = 'hello ismaster ping endSessions listIndexes createIndexes collMod create getMore'.split(' ');

/** The look at pauses and cancels, at most one per 750 ms and process: it belongs to no claim. */
const isLook = (name: string, { filter }: mongo.Document) =>
  name === 'find' && (filter as { _id?: unknown } | undefined)?._id === 'control';

/**
 * A second connection to a spec's database that writes down the commands it sends, without looks at pauses unless `countsLooks`. It is
 * closed at the end of the spec file.
 */
export async function monitoredConnection(uri: string, { countsLooks = false } = {}): Promise<MonitoredConnection> {
  const connection = await openConnection(uri, { monitorCommands: true });
  let commands: Command[] = [];
  connection.getClient().on('commandStarted', ({ commandName, command }) => {
    if (!countsLooks && isLook(commandName, command as mongo.Document)) return;
    commands.push({ name: commandName, body: command as mongo.Document });
  });

  return {
    connection,
    sent: (name) => commands.filter((command) => command.name === name),
    all: () => commands.filter(({ name }) => !HOUSEKEEPING.includes(name)),
    forget() {
      commands = [];
    },
  };
}
