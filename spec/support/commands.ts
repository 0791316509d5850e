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

/** The look at pauses and cancels, at most one per 750 ms and process: it belongs to no claim. */
const isLook = (name: string, { filter }: mongo.Document) =>
  name === 'find' && (filter as { _id?: unknown } | undefined)?._id === 'control';

/** Who listens on a standalone server, asked and said every few seconds, and what is told to them. */
const isOfSignals = (name: string, { filter, updates, collection, ...body }: mongo.Document) => {
  const [update] = (updates ?? []) as { q?: { _id?: unknown } }[];
  const id = (filter as { _id?: unknown } | undefined)?._id ?? update?.q?._id;

  return id === 'listeners' || [body[name], collection].includes('queue.signals');
};

const isOfStream = ({ pipeline }: mongo.Document) =>
  Array.isArray(pipeline) && '$changeStream' in ((pipeline as object[])[0] ?? {});

/** The requests of the client's change streams for more, which come at any time: told by the cursors that the streams have got. */
function requestsOfStreams(client: mongo.MongoClient): (name: string, body: mongo.Document) => boolean {
  const opening = new Set<number>();
  const cursors = new Set<string>();
  client.on(
    'commandStarted',
    ({ requestId, command }) => isOfStream(command as mongo.Document) && opening.add(requestId),
  );
  client.on('commandSucceeded', ({ requestId, reply }) => {
    if (opening.delete(requestId)) cursors.add(String((reply as { cursor: { id: unknown } }).cursor.id));
  });

  return (name, body) => name === 'getMore' && cursors.has(String(body['getMore']));
}

/**
 * A second connection to a spec's database that writes down the commands it sends, without looks at pauses unless `countsLooks`, and without
 * what change streams and signals ask for. It is closed at the end of the spec file.
 */
export async function monitoredConnection(uri: string, { countsLooks = false } = {}): Promise<MonitoredConnection> {
  const connection = await openConnection(uri, { monitorCommands: true });
  let commands: Command[] = [];
  const isOfOpenStream = requestsOfStreams(connection.getClient());
  connection.getClient().on('commandStarted', ({ commandName, command }) => {
    if (!countsLooks && isLook(commandName, command as mongo.Document)) return;
    if (isOfSignals(commandName, command as mongo.Document)) return;
    if (isOfOpenStream(commandName, command as mongo.Document)) return;
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
