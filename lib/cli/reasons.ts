import { definitionOf } from '../definition/definition';
import { State } from '../fields';
import { holdersOf } from '../inspect/crew';
import { isoOf } from '../inspect/shown';
import { serverNow } from '../server/clock';
import type { Bookkeeping } from '../task/bookkeeping';
import { isOpen } from '../task/cancellation';
import { NEVER } from '../values/check';
import { type BlockedBy, blockedById } from '../waiting/blocked-by';
import type { Context, Named } from './context';
import { explainBlocked } from './blocked';
import { foundBlockers } from './outboxes';
import { explainReady } from './ready';
import { count, time } from './words';

/** What is known of the server's clock may be behind it by so much, in milliseconds. */
const SLACK_MS = 1_000;

/** Why a task does not run, and what would help: one sentence or two for each reason. */
export async function reasonsFor(context: Context, named: Named): Promise<string[]> {
  const { model, state, task } = named;
  const now = await serverNow(model);
  switch (state) {
    case State.RUNNING:
      return whyRunning(named, await holderOf(named), now);
    case State.CREATED:
      return whyQueued(context, named, now);
    case State.FINISHED:
      return [`It is done${since(task, now)}, with attempt ${task.attempts ?? 1}. \`push()\` would queue it again.`];
    case State.FAILED:
      return [...whyFailed(task, now), ...explainBlocked(await blockers(context, named), true)];
    case State.CANCELLED:
      return [`It was cancelled${since(task, now)}${reasonIn(task)}. \`retry\` queues it again.`];
    default:
      return ['It was stored, but not pushed: `push()` queues it.'];
  }
}

function whyRunning({ model, task }: Named, holder: string | null, now: Date): string[] {
  const { maxAttempts } = definitionOf(model).options;
  const { attempts = 1, startedAt, availableAt = now } = task;
  const began = startedAt ? ` since ${time(startedAt, now)}` : '';
  const isLast = attempts >= maxAttempts;
  if (availableAt <= now)
    return [
      `Attempt ${attempts} of ${maxAttempts} ran${began}, but its lease ended at ${time(availableAt, now)}: its worker died, or was cut off. The next pop ${isLast ? 'fails it, because its attempts are used up' : 'takes it over'}.`,
    ];
  const cancel = isOpen(task) ? [`It is to be cancelled${reasonIn(task)}; who holds it may still finish it.`] : [];

  return [
    `It runs: attempt ${attempts} of ${maxAttempts}${began}, held until ${time(availableAt, now)}${holder === null ? '' : ` by ${holder}`}.`,
    ...cancel,
  ];
}

/** Who holds it: known from a worker's next beat on, and not of a task that was popped by hand. */
async function holderOf({ model, task }: Named): Promise<string | null> {
  if (!task.token) return null;

  return (await holdersOf(model)).get(task.token.toHexString()) ?? null;
}

async function whyQueued(context: Context, named: Named, now: Date): Promise<string[]> {
  const { raw, task } = named;
  const stored = raw['_task'] as { availableAt?: unknown } | undefined;
  if (stored?.availableAt !== undefined && !(stored.availableAt instanceof Date))
    return ['Its `_task.availableAt` is no date: most such tasks are never due. Another program wrote it; set a date.'];

  const blocking = explainBlocked(await blockers(context, named), false);
  const delays = isParked(task) ? [] : whyDelayed(named, now);
  const expired = task.startBy && task.startBy < now && (task.attempts ?? 0) === 0;
  const late = expired ? [`It was to be started by ${time(task.startBy!, now)}: the next pop cancels it.`] : [];
  const all = [...late, ...blocking, ...delays];

  return all.length > 0 ? all : explainReady(named, now);
}

function isParked({ waitingOn, behind }: Bookkeeping): boolean {
  return waitingOn !== undefined || behind !== undefined;
}

function whyDelayed({ task, model }: Named, now: Date): string[] {
  const { availableAt = now, attempts = 0, errors = [], schedule } = task;
  if (availableAt.getTime() <= now.getTime() + SLACK_MS) return [];
  if (availableAt >= NEVER)
    return [
      'It is put off for ever, although it waits for nothing: `doctor` says more, `cancel` and `retry` queue it anew.',
    ];
  const last = errors.at(-1);
  if (last && attempts > 0)
    return [
      `Attempt ${attempts} of ${definitionOf(model).options.maxAttempts} failed (${firstLine(last.message)}): the next one is due at ${time(availableAt, now)}.`,
    ];

  return [
    `It is ${schedule ? 'due by its schedule' : 'delayed until'} ${schedule ? 'at ' : ''}${time(availableAt, now)}.`,
  ];
}

function whyFailed({ errors = [], attempts = 0, settledAt, doomedBy }: Bookkeeping, now: Date): string[] {
  const last = errors.at(-1);
  const what = last ? `: ${firstLine(last.message)}` : '';
  const when = isoOf(settledAt) === null ? '' : ` at ${time(settledAt!, now)}`;
  const how = doomedBy ? ' with what it waited for' : attempts > 0 ? ` after ${count(attempts, 'attempt')}` : '';

  return [`It failed${how}${when}${what}. \`show\` has the stack, \`retry\` queues it again.`];
}

function since({ settledAt }: Bookkeeping, now: Date): string {
  return isoOf(settledAt) === null ? '' : ` since ${time(settledAt!, now)}`;
}

function reasonIn({ cancel }: Bookkeeping): string {
  return cancel?.reason === undefined ? ', without a reason' : ` because: ${cancel.reason}`;
}

function firstLine(text: string): string {
  const [line = ''] = text.split('\n');

  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}

async function blockers({ isFound }: Context, { model, raw, task }: Named): Promise<BlockedBy[]> {
  const known = await blockedById(model, raw._id);

  return isFound ? [...known, ...(await foundBlockers(model, task))] : known;
}
