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

const HOUSEKEEPING = ['hello', 'ismaster', 'ping', 'endSessions', 'listIndexes', 'createIndexes', 'collMod', 'create'];

/** A second connection to a spec's database that writes down the commands it sends. It is closed at the end of the spec file. */
export async function monitoredConnection(uri: string): Promise<MonitoredConnection> {
  const connection = await openConnection(uri, { monitorCommands: true });
  let commands: Command[] = [];
  connection.getClient().on('commandStarted', ({ commandName, command }) => {
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
