import { type AnyModel, definitionOf, type RawDocument } from '../definition/definition';
import { ofKind } from '../definition/kind';
import { InvalidOptionError } from '../errors';
import { connected, serverNow } from '../server/clock';
import { monotonic } from '../timers';
import { MAX_DELAY_MS, requireInteger, requireReason } from '../values/check';
import { keyOf } from '../values/id';
import type { ActOptions, Outcome, Skipped } from './act-options';
import type { Action } from './answers';
import { readBounded } from './bounded';
import { queryOf } from './filter';
import { idText, labelOf } from './ids';
import { MAX_COUNT } from './limits';
import { storedIn } from './stored';
import { idsOf, isSearched, suitable, TASK_ACTIONS, type TaskAction } from './target';
import type { View } from './view';
import { pauseQueue } from './queue-actions';
import { WRITES } from './writes';

const PART = 250;
/** No part is begun later than this, in milliseconds: proxies wait for a minute at most. */
const PATIENCE_MS = 20_000;
const MAX_SKIPPED = 100;

/**
 * Does one thing with some tasks, or with a queue. Every write goes by a verb of the queue, or by a filter that no running task matches: so a
 * task that runs is cancelled at most, and never runs twice. `outcome` is filled part by part, for who wants to know after an error.
 *
 * @throws {InvalidOptionError} for what cannot be meant; then nothing was changed.
 */
export async function act(
  view: View,
  model: AnyModel,
  options: ActOptions,
  outcome: Outcome = { done: 0, skipped: [], more: false },
): Promise<Outcome> {
  const { action, limit = MAX_COUNT } = options;
  check(options);
  await connected(model);
  if (action === 'pause' || action === 'resume') return Object.assign(outcome, await pauseQueue(model, options));
  const ids = await idsOf(view, model, options, limit);
  const wanted = [...new Map(ids.slice(0, limit).map((id) => [keyOf(id), id])).values()];
  outcome.more = ids.length > limit;
  const until = monotonic() + PATIENCE_MS;
  for (let start = 0; start < wanted.length; start += PART) {
    outcome.more ||= start > 0 && monotonic() > until;
    if (start > 0 && monotonic() > until) return outcome;
    await actOnPart(view, model, options, wanted.slice(start, start + PART), outcome);
  }

  return outcome;
}

function check({ action, ids, limit, reason, delayMs, set }: ActOptions): void {
  if (limit !== undefined) requireInteger('limit', limit, 1, MAX_COUNT, 'tasks', '`limit: 100`');
  if (delayMs !== undefined) requireInteger('delayMs', delayMs, 0, MAX_DELAY_MS, 'milliseconds', '`delayMs: 60_000`');
  requireReason(reason, "`reason: 'the order was withdrawn'`");
  if (action === 'edit' && (ids === undefined || ids.length > PART))
    throw new InvalidOptionError(
      `Expected \`ids\` for an edit, at most ${PART}: it is about tasks that were looked at.`,
    );
  if ((action === 'edit') !== (set !== undefined))
    throw new InvalidOptionError(
      "Expected `set` with an edit, and with nothing else. Write for example `{ action: 'edit', set: { amount: 5 } }`.",
    );
}

async function actOnPart(
  view: View,
  model: AnyModel,
  options: ActOptions,
  ids: readonly unknown[],
  outcome: Outcome,
): Promise<void> {
  const action = options.action as TaskAction;
  const now = await serverNow(model);
  const { there, skipped } = await chosen(view, model, options, ids, now);
  const said = there.length > 0 ? await WRITES[action]({ view, model, options, now }, there) : [];
  outcome.done += there.length - said.length;
  for (const { id, reason } of [...skipped, ...said].slice(0, MAX_SKIPPED - outcome.skipped.length))
    outcome.skipped.push({ id: idText(id), label: labelOf(id), reason });
}

/** Those of the tasks that the action can change and that still match the search, and why it leaves the others. */
async function chosen(
  view: View,
  model: AnyModel,
  options: ActOptions,
  ids: readonly unknown[],
  now: Date,
): Promise<{ there: RawDocument[]; skipped: Skipped[] }> {
  const definition = definitionOf(model);
  const action = options.action as TaskAction;
  const isSearch = isSearched(options);
  const ofIds = { _id: { $in: ids }, ...ofKind(definition.kind) };
  // The ids of a search were read before the first part: since then, somebody may have queued one of the tasks again.
  const matching = isSearch ? [queryOf(view, model, options, now).filter] : [];
  const projection = { [definition.options.fields.state]: 1, '_task.token': 1, '_task.key': 1 } as const;
  const limit = ids.length;
  const there = await readBounded(model, {
    filter: { $and: [ofIds, suitable(definition, action, now), ...matching] },
    projection,
    limit,
  });
  const known = new Set(there.map(({ _id }) => keyOf(_id)));
  const others = ids.filter((id) => !known.has(keyOf(id)));
  if (others.length === 0) return { there, skipped: [] };

  const found = await readBounded(model, { filter: { ...ofIds, _id: { $in: others } }, projection, limit });
  const states = new Map(found.map((raw) => [keyOf(raw._id), storedIn(model, raw).state]));
  const skipped = others.map((id) => ({ id, reason: refusal(action, states.get(keyOf(id)), isSearch) }));
  return { there, skipped };
}

function refusal(action: Action, state: string | undefined, isSearch: boolean): string {
  if (state === undefined) return 'it is not stored (any more)';

  return isSearch
    ? `it is ${state} now, and not meant any more`
    : `it is ${state}, which \`${action}\` does not change`;
}

export const ACTIONS: readonly Action[] = ['view', ...TASK_ACTIONS, 'pause', 'resume'];
