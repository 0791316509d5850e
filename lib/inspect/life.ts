import { State } from '../fields';
import type { Bookkeeping, TaskFailure } from '../task/bookkeeping';
import { NEVER } from '../values/check';
import type { Failure, LifeEvent } from './answers';
import { cut, isoOf } from './shown';

/** What happened to a task as far as it is kept, the oldest first. */
export function lifeOf(state: string, task: Bookkeeping, createdAt: string | null, holder: string | null): LifeEvent[] {
  const events = [
    ...pushed(createdAt),
    ...(task.errors ?? []).map(failedAt),
    ...earlierRun(task),
    ...due(state, task),
    ...claimed(state, task, holder),
    ...requested(state, task),
    ...settled(state, task),
  ];

  // Events of one moment keep this order.
  return events.toSorted((one, other) => one.at.localeCompare(other.at));
}

/** Failures as they are shown, the oldest first. */
export function failuresIn({ errors = [] }: Bookkeeping): Failure[] {
  return errors.map(({ at, attempt, message, stack }) => ({
    at: isoOf(at),
    attempt: attempt ?? null,
    name: nameIn(stack),
    message: cut(message),
    stack: stack === undefined ? null : cut(stack, 10_000),
  }));
}

/** A stack begins with the name of its error. */
function nameIn(stack: string | undefined): string | null {
  return /^(\w*(?:Error|Exception)\w*)\b/.exec(stack ?? '')?.[1] ?? null;
}

function event(at: unknown, kind: LifeEvent['kind'], text: string, more: Partial<LifeEvent> = {}): LifeEvent[] {
  const iso = isoOf(at);

  return iso === null ? [] : [{ at: iso, kind, text, ...more }];
}

function pushed(createdAt: string | null): LifeEvent[] {
  return createdAt === null ? [] : [{ at: createdAt, kind: 'pushed', text: 'Stored' }];
}

function failedAt({ at, attempt, message, stack }: TaskFailure): LifeEvent {
  const text = attempt === 0 ? message : `Attempt ${attempt} failed: ${message}`;

  return {
    at: isoOf(at) ?? '',
    kind: 'failed',
    text: cut(text, 500),
    ...(stack !== undefined && { detail: cut(stack) }),
  };
}

function earlierRun({ lastRun }: Bookkeeping): LifeEvent[] {
  if (!lastRun) return [];

  return event(lastRun.at, 'settled', `The run of ${isoOf(lastRun.slot) ?? 'an earlier time'} ended ${lastRun.state}`);
}

function due(state: string, { dueAt, attempts = 0 }: Bookkeeping): LifeEvent[] {
  if (!dueAt || dueAt >= NEVER) return [];
  // With an attempt behind it, it waits for the next one.
  const isPutOff = state === State.CREATED && attempts > 0;

  return event(dueAt, isPutOff ? 'snoozed' : 'due', isPutOff ? 'Due again' : 'Due');
}

function claimed(state: string, { startedAt, attempts = 0 }: Bookkeeping, holder: string | null): LifeEvent[] {
  if (attempts === 0) return [];
  const isHeld = state === State.RUNNING;

  return event(startedAt, 'claimed', `Attempt ${attempts} began`, isHeld && holder !== null ? { by: holder } : {});
}

function requested(state: string, { cancel }: Bookkeeping): LifeEvent[] {
  if (!cancel || state === State.CREATED) return [];
  const why = cancel.reason === undefined ? '' : `: ${cancel.reason}`;

  return event(cancel.at, 'cancelled', `${state === State.CANCELLED ? 'Cancelled' : 'To be cancelled'}${why}`);
}

function settled(state: string, { settledAt }: Bookkeeping): LifeEvent[] {
  const isEnd = state === State.FINISHED || state === State.FAILED || state === State.CANCELLED;

  return isEnd ? event(settledAt, 'settled', state) : [];
}
