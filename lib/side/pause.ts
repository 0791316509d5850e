import { type AnyDocument, type AnyModel, type Definition, definitionOf, modelOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { connected } from '../server/clock';
import { throwExplained } from '../server/explain-error';
import { refuseUnknown, requireReason, requireText } from '../values/check';
import { keyOf } from '../values/id';
import type { Control, PauseEntry } from './collection';
import { changeControl, knownControl } from './control';
import { lookOf } from './look';

/** Options of `pause()`. */
export interface PauseOptions {
  /** Only tasks of this category. Default: all. */
  category?: string | undefined;

  /** A text of 1 to 1 000 characters that tells others why. Default: none. */
  reason?: string | undefined;
}

/** A pause that holds for a model. */
export interface Pause {
  /** The category that is paused; null when all are. */
  category: string | null;
  /** Why, if it was said. */
  reason: string | null;
  /** Since when, by the server's clock. */
  since: Date;
}

/** Lets no task of the model be claimed, in any process. See `TaskStatics.pause`. */
export async function pause(model: AnyModel, options: PauseOptions = {}): Promise<void> {
  refuseUnknown(options, ['category', 'reason'], 'pause()');
  const { reason } = options;
  requireReason(reason, "`reason: 'the mail server is down'`");
  const target = targetOf(model, options.category);
  const mine = entries(target, '$eq');
  const entry = {
    category: { $literal: target.category },
    kind: { $literal: target.kind },
    ...(reason !== undefined && { reason: { $literal: reason } }),
    // A pause that holds already has not begun anew.
    since: { $ifNull: [{ $first: { $map: { input: mine, in: '$$this.since' } } }, '$$NOW'] },
  };

  await changeControl(model, [{ $set: { pauses: { $concatArrays: [entries(target, '$ne'), [entry]] } } }]);
}

/** Ends a pause. See `TaskStatics.resume`. */
export async function resume(model: AnyModel, options: Pick<PauseOptions, 'category'> = {}): Promise<void> {
  refuseUnknown(options, ['category'], 'resume()');
  const target = targetOf(model, options.category);

  await changeControl(model, [{ $set: { pauses: entries(target, '$ne') } }], { upsert: false });
}

/** The pauses that hold for the model. See `TaskStatics.paused`. */
export async function paused(model: AnyModel): Promise<Pause[]> {
  const definition = definitionOf(model);
  await connected(model);
  const { pauses } = await lookOf(model).again().catch(throwExplained);

  return pauses
    .filter((entry) => holdsFor(definition, entry))
    .map(({ category, reason = null, since }) => ({ category, reason, since }));
}

/** What is paused of what a model's pops look at. */
export interface Paused {
  /** Whether all of it is. */
  readonly isWhole: boolean;
  readonly categories: ReadonlySet<string>;
  /** For a base: the pauses of its kinds. */
  readonly kinds: readonly PauseEntry[];
}

export function pausedIn(definition: Definition, { pauses }: Control): Paused {
  const own = pauses.filter((entry) => holdsFor(definition, entry));

  return {
    isWhole: own.some(({ category }) => category === null),
    categories: new Set(own.flatMap(({ category }) => category ?? [])),
    kinds: definition.kind ? [] : pauses.filter(({ kind }) => kind !== null),
  };
}

/** Whether a pause that this process has heard of holds for a task that it has just claimed. */
export function isHeldBack(task: AnyDocument): boolean {
  const model = modelOf(task);
  const { pauses } = knownControl(model) ?? { pauses: [] };
  if (pauses.length === 0) return false;
  const definition = definitionOf(model);
  const { category: path } = definition.options.fields;

  return pauses.some(
    (entry) => holdsFor(definition, entry) && (entry.category === null || entry.category === task.get(path)),
  );
}

function holdsFor({ kind }: Definition, entry: PauseEntry): boolean {
  return entry.kind === null || (kind !== null && keyOf(entry.kind) === keyOf(kind.value));
}

interface Target {
  readonly category: string | null;
  readonly kind: unknown;
}

function targetOf(model: AnyModel, category: string | undefined): Target {
  const { options, kind } = definitionOf(model);
  if (category !== undefined) {
    if (!options.category)
      throw new InvalidOptionError(
        `Expected no \`category\` for ${model.modelName}, because its tasks have none. Write \`taskQueue(schema, { category: true })\` to give them one.`,
      );
    requireText('category', category, "`category: 'reports'`");
  }

  return { category: category ?? null, kind: kind?.value ?? null };
}

/** The stored pauses of this target, or of all others. */
function entries({ category, kind }: Target, comparison: '$eq' | '$ne'): object {
  const key = { category: '$$this.category', kind: '$$this.kind' };
  const wanted = { category: { $literal: category }, kind: { $literal: kind } };

  return { $filter: { input: { $ifNull: ['$pauses', []] }, cond: { [comparison]: [key, wanted] } } };
}
