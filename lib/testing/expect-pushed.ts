import { AssertionError } from 'node:assert';
import { inspect, isDeepStrictEqual } from 'node:util';
import { castFilter } from '../definition/filter';
import { type AnyModel, definitionOf, type Filter } from '../definition/definition';
import type { ModelOf, TaskFilter } from '../model/input';

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
  definitionOf(own);
  const pushed = { _task: { $exists: true } };
  const wanted = castFilter(own, match as Filter, 'expectPushed');
  const [found] = await own
    .find({ $and: [pushed, wanted] })
    .sort({ _id: -1 })
    .limit(1);
  if (found) return found as unknown as Doc;

  const others = await own.find(pushed).sort({ _id: -1 }).limit(SHOWN);
  throw new AssertionError({
    message: messageOf(
      own,
      match as Filter,
      others.map((one: { toObject(): object }) => one.toObject()),
    ),
  });
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
