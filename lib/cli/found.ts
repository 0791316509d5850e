import mongoose, { type Connection, type mongo, Schema } from 'mongoose';
import type { AnyModel, AnySchema } from '../any';
import { type FieldNames, State } from '../fields';
import type { TaskQueueOptions } from '../options';
import { taskQueue } from '../plugin/plugin';
import type { Source } from './source';
import { CommandError } from './terminal';

type Index = mongo.IndexDescriptionInfo;

/** So many of the first and of the last documents are looked at where there is no index that tells. */
const SAMPLE = 50;

/** Opens a database, and makes models of the collections that are queues. They know no more than what is stored. */
export async function openFound(uri: string): Promise<Source> {
  const connection = await mongoose
    .createConnection(uri, { autoIndex: false, autoCreate: false, serverSelectionTimeoutMS: 5_000 })
    .asPromise();
  try {
    const models = await findQueues(connection);
    if (models.length > 0) return { models, isFound: true, close: () => connection.close() };
  } catch (error) {
    await connection.close();
    throw error;
  }
  await connection.close();
  throw new CommandError(
    `No collection of the database \`${connection.name}\` is a queue. Does the URI name the right database (\`mongodb://host/database\`)?`,
  );
}

async function findQueues(connection: Connection): Promise<AnyModel[]> {
  const all = await connection.db!.listCollections({ type: 'collection' }, { nameOnly: true }).toArray();
  const names = all.map(({ name }) => name).filter((name) => !name.startsWith('system.') && !name.endsWith('.queue'));
  const models: AnyModel[] = [];
  for (const name of names.toSorted()) models.push(...(await queuesOf(connection, name)));

  return models;
}

async function queuesOf(connection: Connection, name: string): Promise<AnyModel[]> {
  const collection = connection.db!.collection(name);
  const indexes = (await collection.indexes()) as Index[];
  const claims = indexes.filter((one) => /^task_claim(_|$)/.test(one.name ?? ''));
  // A base has the tasks of its kinds as well.
  const base = claims.find((one) => one.name === 'task_claim');
  if (base) return [define(connection, name, optionsIn(base, indexes))];
  if (claims.length > 0) return kindsOf(connection, name, claims, indexes);

  return (await hasTasks(collection)) ? [define(connection, name, { expireAfterSeconds: false })] : [];
}

async function hasTasks(collection: mongo.Collection): Promise<boolean> {
  const ends = await Promise.all(
    ([1, -1] as const).map((order) =>
      collection.find({}, { sort: { _id: order }, limit: SAMPLE, projection: { '_task.dueAt': 1 } }).toArray(),
    ),
  );

  return ends.flat().some((one) => (one['_task'] as { dueAt?: unknown } | undefined)?.dueAt instanceof Date);
}

function define(connection: Connection, name: string, options: TaskQueueOptions): AnyModel {
  return connection.model(name, taskQueue(freeSchema(), options) as AnySchema, name) as AnyModel;
}

/** Kinds of a base that is no queue itself: each has indexes of its own. */
function kindsOf(
  connection: Connection,
  name: string,
  claims: readonly Index[],
  indexes: readonly Index[],
): AnyModel[] {
  const [key] = Object.entries(kindOf(claims[0]!))[0] ?? ['__t'];
  const base = connection.model(name, freeSchema().set('discriminatorKey', key), name);

  return claims.map((claim) => {
    const [value] = Object.values(kindOf(claim));
    const own = indexes.filter((one) => one.name?.endsWith(`_${String(value)}`));
    const schema = taskQueue(freeSchema(), optionsIn(claim, own)) as AnySchema;
    return base.discriminator(`${name}.${String(value)}`, schema, value as string) as unknown as AnyModel;
  });
}

/** Whatever is stored may be in it, under an `_id` of any type. */
function freeSchema(): AnySchema {
  return new Schema({ _id: Schema.Types.Mixed }, { strict: false, autoIndex: false, autoCreate: false }) as AnySchema;
}

/** What the indexes tell of the options with which they were made. */
function optionsIn(claim: Index, indexes: readonly Index[]): TaskQueueOptions {
  const category = indexes.find((one) => one.name?.startsWith('task_category'));
  const fields: Partial<FieldNames> = {
    state: stateIn(claim),
    priority: Object.keys(claim.key)[0]!,
    ...(category && { category: Object.keys(category.key)[0]! }),
  };
  const secondsOf = (role: string) =>
    indexes.find((one) => one.name?.startsWith(role))?.expireAfterSeconds ?? (false as const);
  const expireAfterSeconds = indexes.some((one) =>
    /^task_expiry_(unsettled|finished|failed|cancelled)/.test(one.name ?? ''),
  )
    ? {
        unsettled: secondsOf('task_expiry_unsettled'),
        finished: secondsOf('task_expiry_finished'),
        failed: secondsOf('task_expiry_failed'),
        cancelled: secondsOf('task_expiry_cancelled'),
      }
    : secondsOf('task_expiry');

  return { fields, category: category !== undefined, expireAfterSeconds };
}

function stateIn(claim: Index): string {
  const isOfStates = ([, value]: [string, unknown]) => {
    const { $in: values } = (value ?? {}) as { $in?: unknown[] };
    return Array.isArray(values) && values.includes(State.CREATED);
  };

  return Object.entries(claim['partialFilterExpression'] as object).find(isOfStates)?.[0] ?? 'state';
}

function kindOf(claim: Index): Record<string, unknown> {
  const state = stateIn(claim);

  return Object.fromEntries(
    Object.entries(claim['partialFilterExpression'] as object).filter(([name]) => name !== state),
  );
}
