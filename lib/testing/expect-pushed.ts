import { AssertionError } from 'node:assert';
import { inspect, isDeepStrictEqual } from 'node:util';
import { castFilter } from '../definition/filter';
import {
  type AnyDocument,
  type AnyModel,
  type Definition,
  definitionOf,
  type Filter,
  hydrate,
} from '../definition/definition';
import { ofKind } from '../definition/kind';
import type { ModelOf, TaskFilter } from '../model/input';
import { connected } from '../server/clock';
import { read } from '../server/read';

/** At most this many tasks are shown. */
const SHOWN = 10;

/**
 * Resolves to the newest task of a model that matches a filter, in whatever state it is now.
 *
 * @throws {AssertionError} when none was pushed, with what was pushed instead.
 * @throws {InvalidOptionError} for a filter that does not fit the schema.
 */
export async function expectPushed<Doc, Raw>(
  model: ModelOf<Doc, Raw>,
  match: TaskFilter<NoInfer<Raw>> = {} as TaskFilter<NoInfer<Raw>>,
): Promise<Doc> {
  const own = model as unknown as AnyModel;
  const definition = definitionOf(own);
  const wanted = castFilter(own, match as Filter, 'expectPushed');
  await connected(own);
  const [found] = await newest(definition, wanted, 1);
  if (found) return found as unknown as Doc;

  const others = await newest(definition, {}, SHOWN);
  throw new AssertionError({
    message: messageOf(
      own,
      match as Filter,
      others.map((one) => one.toObject() as object),
    ),
  });
}

// Not by a query of Mongoose, which may be set to refuse `_task`, or operators.
async function newest(definition: Definition, wanted: Filter, limit: number): Promise<AnyDocument[]> {
  const filter = { $and: [{ _task: { $exists: true }, ...ofKind(definition.kind) }, wanted] };
  const found = await read(definition.model, { filter, sort: { _id: -1 }, limit });

  return found.map((raw) => hydrate(definition, raw));
}

function messageOf({ modelName }: AnyModel, match: Filter, others: readonly object[]): string {
  const what = isDeepStrictEqual(match, {})
    ? `a task of ${modelName}`
    : `a task of ${modelName} that matches ${text(match)}`;
  if (others.length === 0) return `Expected ${what} to be pushed, but none of ${modelName} was.`;

  return `Expected ${what} to be pushed. The newest that were:\n${others.map((one) => `  ${text(one)}`).join('\n')}`;
}

function text(value: unknown): string {
  return inspect(value, { breakLength: Infinity, depth: 4 });
}
