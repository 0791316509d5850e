import type { AnyModel } from '../any';
import { definitionOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { idOf } from '../inspect/ids';
import { NoSuchTaskError, readStored, type Stored } from '../inspect/stored';
import { View } from '../inspect/view';
import { safely } from '../values/describe';
import { CommandError, type Output, UsageError } from './terminal';

/** What a command is given: the models that are meant, and where it answers. */
export interface Context {
  readonly models: readonly AnyModel[];
  /** Whether the models were made up of what is stored. */
  readonly isFound: boolean;
  readonly out: Output;
}

/** A command: resolves to the exit code. */
export type Command<Options = unknown> = (
  context: Context,
  words: readonly string[],
  options: Options,
) => Promise<number>;

/** A task that was named by its id. */
export interface Named extends Stored {
  readonly model: AnyModel;
}

/** What is looked at: nothing but what the schema hides is hidden from who has the database at hand. */
export function viewOf({ models }: Pick<Context, 'models'>): View {
  return new View({ models });
}

/** Finds a task by its id, in whichever of the models it is. @throws {CommandError} where there is none. */
export async function taskNamed({ models }: Context, text: string): Promise<Named> {
  const found: Named[] = [];
  for (const model of withoutKinds(models))
    for (const id of idsIn(model, text)) found.push(...(await stored(model, id)).map((one) => ({ model, ...one })));
  const [first, second] = found;
  if (!first)
    throw new CommandError(`There is no task ${text} in ${models.map(({ modelName }) => modelName).join(', ')}.`);
  if (second)
    throw new UsageError(
      `${first.model.modelName} and ${second.model.modelName} both have ${text}: say which by \`--model ${first.model.modelName}\`.`,
    );

  return first;
}

/**
 * Does something with each model, as far as it can be meant of it: a search may name a path that only one of them has. What it cannot be
 * meant of is told, and where that is all of them it is an error.
 */
export async function ofEach<Result>(
  { out }: Context,
  models: readonly AnyModel[],
  work: (model: AnyModel) => Promise<Result>,
): Promise<{ readonly model: AnyModel; readonly result: Result }[]> {
  const done: { model: AnyModel; result: Result }[] = [];
  const refusals: { model: AnyModel; error: InvalidOptionError }[] = [];
  for (const model of models) {
    try {
      done.push({ model, result: await work(model) });
    } catch (error) {
      if (!(error instanceof InvalidOptionError)) throw error;
      refusals.push({ model, error });
    }
  }
  if (done.length === 0 && refusals.length > 0) throw refusals[0]!.error;
  for (const { model, error } of refusals) out.note(`${model.modelName} is left out: ${error.message}`);

  return done;
}

/** Kinds of a base that is there too are looked at with it. */
export function withoutKinds(models: readonly AnyModel[]): AnyModel[] {
  const isOfBase = (model: AnyModel) =>
    definitionOf(model).kind !== null &&
    models.some((one) => one !== model && one.collection === model.collection && one.discriminators);

  return models.filter((model) => !isOfBase(model));
}

/** The ids that a text may stand for. Where the schema does not say what an id is, it may look like several. */
function idsIn(model: AnyModel, text: string): unknown[] {
  const id = safely(() => ({ id: idOf(model, text) }));
  const isMixed = model.schema.path('_id')?.instance === 'Mixed';
  if (!isMixed || text.startsWith('{')) return id ? [id.id] : [];
  const asObjectId = /^[\da-f]{24}$/i.test(text) ? [idOf(model, JSON.stringify({ $oid: text.toLowerCase() }))] : [];

  return [...asObjectId, text, ...(text.trim() !== '' && Number.isFinite(Number(text)) ? [Number(text)] : [])];
}

async function stored(model: AnyModel, id: unknown): Promise<Stored[]> {
  try {
    return [await readStored(model, id)];
  } catch (error) {
    if (!(error instanceof NoSuchTaskError)) throw error;
    return [];
  }
}

/** Writes go by the schema: its hooks, its validation, what it keeps for how long. */
export function refuseFound({ isFound }: Context, command: string): void {
  if (isFound)
    throw new UsageError(
      `\`${command}\` writes, and these models were made up of what is stored: nothing is known of what their schemas demand. Name the file that defines them: \`--require ./models.js\`.`,
    );
}

/** The one model that is meant. @throws {UsageError} where there are several. */
export function onlyModel({ models }: Context, command: string): AnyModel {
  const [model, ...others] = models;
  if (model && others.length === 0) return model;
  throw new UsageError(
    `Say of which queue: \`${command} --model ${models[0]?.modelName}\`. There are ${models.map(({ modelName }) => modelName).join(', ')}.`,
  );
}
