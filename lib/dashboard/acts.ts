import { act, ACTIONS } from '../inspect/act';
import type { ActOptions } from '../inspect/act-options';
import { countTarget, isSearched } from '../inspect/target';
import { InvalidOptionError } from '../errors';
import { refuseUnknown, shown } from '../values/check';
import { lineOf } from '../values/describe';
import { isPlain } from '../values/writable';
import type { AnyModel } from '../definition/definition';
import type { Access, Caller } from './access';
import { Refusal } from './answer';
import type { Acted, Action, Matched } from './api';
import type { Board } from './board';
import { visibleModel } from './reads';

/** A request to change something, or to count what a change would be about. */
export interface Sent {
  readonly board: Board;
  readonly access: Access;
  readonly caller: Caller;
  readonly body: unknown;
}

/** What can be sent, by name: each asks for the right to its action. */
export const ACTS: Readonly<Record<string, (sent: Sent) => Promise<unknown>>> = { count, act: actAsSent };

const KNOWN = ['action', 'model', 'ids', 'state', 'q', 'set', 'reason', 'delayMs', 'category', 'limit'];

async function count(sent: Sent): Promise<Matched> {
  const { model, options } = await allowed(sent);
  const { board } = sent;
  const { value, more } = await board.writing.pass(() => countTarget(board.options.view, model, options));

  return { matched: value, more };
}

async function actAsSent(sent: Sent): Promise<Acted> {
  const { model, options } = await allowed(sent);
  const { board } = sent;
  const acted: Acted = { done: 0, skipped: [], more: false };
  try {
    await board.writing.pass(() => act(board.options.view, model, options, acted));
    audit(sent, model, options, acted);
    return acted;
  } catch (error) {
    // What was changed until then was changed by somebody, too.
    if (acted.done > 0 || !(error instanceof InvalidOptionError || error instanceof Refusal))
      audit(sent, model, options, acted, error);
    throw error;
  } finally {
    board.expire();
  }
}

/** Checks that the caller may do it, before anything else that the body says is looked at. */
async function allowed(sent: Sent): Promise<{ model: AnyModel; options: ActOptions }> {
  const { access, body } = sent;
  await access.requireAny();
  if (!isPlain(body)) throw new InvalidOptionError(`Expected the body to be an object, got ${shown(body)}.`);
  const model = await visibleModel(sent, body['model']);
  const action = body['action'] as Action;
  if (action === 'view' || !ACTIONS.includes(action))
    throw new InvalidOptionError(
      `Expected \`action\` to be one of ${ACTIONS.slice(1).join(', ')}, got ${shown(body['action'])}.`,
    );
  await access.require(action, model);
  refuseUnknown(body, KNOWN, 'the request');
  for (const name of ['state', 'q', 'category', 'reason']) requireTextOrNone(name, body[name]);

  return { model, options: body as unknown as ActOptions };
}

function requireTextOrNone(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'string') return;
  throw new InvalidOptionError(`Expected \`${name}\` to be a text, got ${shown(value)}.`);
}

function audit({ board, caller }: Sent, model: AnyModel, options: ActOptions, acted: Acted, error?: unknown): void {
  const { done, skipped } = acted;
  const { ids, state, q, set, reason, action } = options;
  const filter = { ...(state !== undefined && { state }), ...(q !== undefined && { q }) };
  const entry = {
    action,
    model: model.modelName,
    request: caller.given,
    ...(ids && { ids }),
    ...(isSearched(options) && { filter }),
    ...(set && { paths: Object.keys(set) }),
    ...(reason !== undefined && { reason }),
    done,
    skipped: skipped.length,
    ...(error !== undefined && { error: lineOf(error) }),
  };
  // It may be a function that returns a promise, or throws.
  Promise.resolve()
    .then(() => board.options.audit?.(entry))
    .catch((error: unknown) =>
      process.emitWarning(`The dashboard's \`audit\` failed: ${lineOf(error)}`, 'TaskQueueWarning'),
    );
}
