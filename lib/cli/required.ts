import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import mongoose, { type Connection, ConnectionStates } from 'mongoose';
import type { AnyModel, AnySchema } from '../any';
import { optionsOf } from '../definition/definition';
import { COPY } from '../mongoose';
import { sleep } from '../timers';
import { sentenceOf } from '../values/describe';
import type { Source } from './source';
import { UsageError } from './terminal';

/** How long a file may take to open its connection, in milliseconds. */
const MAX_WAIT_MS = 10_000;
const LOOK_MS = 20;

/** Loads files, and takes the models with the plugin that they registered in Mongoose. */
export async function openRequired(files: readonly string[], uri: string | undefined): Promise<Source> {
  // Else a look at the queue would create collections and indexes, before `doctor` could say that they are missing.
  mongoose.set('autoIndex', false);
  mongoose.set('autoCreate', false);
  for (const file of files) await load(resolve(file));
  const models = mongoose.connections.flatMap((one) => Object.values(one.models as Record<string, AnyModel>));
  const queues = models.filter(({ schema }) => optionsOf(schema as AnySchema));
  if (queues.length === 0) throw noQueues(files, models);
  const foreign = queues.find(({ schema }) => optionsOf(schema as AnySchema)!.copy !== COPY);
  if (foreign) throw otherCopy(`The model ${foreign.modelName}`, 'mongoose-task-queue');
  for (const connection of new Set(queues.map(({ db }) => db))) await opened(connection, uri);

  return { models: queues, isFound: false, close: () => mongoose.disconnect() };
}

async function load(path: string): Promise<void> {
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    const { code } = error as { code?: unknown };
    const isTyped = /\.[cm]?ts$/.test(path) && (code === 'ERR_UNKNOWN_FILE_EXTENSION' || error instanceof SyntaxError);
    const hint = isTyped
      ? ` This Node (${process.version}) does not load it as TypeScript: use Node 22.18 or newer, or tsx: \`NODE_OPTIONS="--import tsx" npx mongoose-task-queue …\`.`
      : '';
    throw new UsageError(`${path} could not be loaded: ${sentenceOf(error)}${hint}`);
  }
}

async function opened(connection: Connection, uri: string | undefined): Promise<void> {
  if (connection.readyState === ConnectionStates.disconnected && uri) {
    await connection.openUri(uri, { serverSelectionTimeoutMS: 5_000 });
    return;
  }
  for (let waited = 0; connection.readyState === ConnectionStates.disconnected; waited += LOOK_MS) {
    if (waited >= MAX_WAIT_MS)
      throw new UsageError(
        'The file defines models, but opens no connection. Say which database: `--uri mongodb://host/database`, or MONGODB_URI.',
      );
    await sleep(LOOK_MS);
  }
  await connection.asPromise();
}

function noQueues(files: readonly string[], models: readonly AnyModel[]): UsageError {
  for (const file of files) {
    const own = createRequire(__filename).resolve('mongoose');
    const theirs = resolvedFrom(file, 'mongoose');
    if (theirs !== null && theirs !== own) return otherCopy(file, 'mongoose');
  }
  const found = models.map(({ modelName }) => modelName).join(', ');

  return new UsageError(
    `${files.join(', ')} registered no model with the plugin in Mongoose${found && `, only ${found}`}. Name the file that calls \`model('Email', taskQueue(schema))\`.`,
  );
}

function resolvedFrom(file: string, name: string): string | null {
  try {
    return createRequire(resolve(file)).resolve(name);
  } catch {
    return null;
  }
}

function otherCopy(what: string, name: string): UsageError {
  return new UsageError(
    `${what} is of another copy of ${name} than this command. Run the command that is installed beside it: \`npx mongoose-task-queue\` in the folder of that project.`,
  );
}
