import { type AnyModel, namespaceOf } from '../definition/definition';
import { perClient } from '../server/per-client';
import { clearTimeout, monotonic, setTimeout } from '../timers';
import { MAX_TIMER_MS } from '../values/check';
import { announce } from './announce';

/** At most this many due times are remembered per model, the next ones. Tasks due later are found by polling. */
const MAX_TIMES = 1_000;

interface Alarm {
  /** Due times by this process's monotonic clock, the next one first. */
  times: number[];
  timer: NodeJS.Timeout | null;
}

const alarmOf = perClient(namespaceOf, (): Alarm => ({ times: [], timer: null }));

/** Wakes the idle consumers of this process when a task that it pushed, or put back, becomes due. */
export function announceAt(model: AnyModel, due: Date, now: Date): void {
  const waitMs = due.getTime() - now.getTime();
  if (waitMs <= 0) return announce(model);
  if (waitMs > MAX_TIMER_MS) return;

  const alarm = alarmOf(model);
  // One millisecond more, because the server's time is cut to whole milliseconds: a look must not come too early.
  insert(alarm.times, monotonic() + waitMs + 1);
  setTimer(model, alarm);
}

function setTimer(model: AnyModel, alarm: Alarm): void {
  clearTimeout(alarm.timer ?? undefined);
  const [next] = alarm.times;
  // The time may have passed while this process was busy.
  const waitMs = Math.max(0, Math.min(next === undefined ? 0 : next - monotonic(), MAX_TIMER_MS));
  alarm.timer = next === undefined ? null : setTimeout(() => ring(model, alarm), waitMs);
  // Waiting for a delayed task must not keep a process alive.
  alarm.timer?.unref();
}

function ring(model: AnyModel, alarm: Alarm): void {
  const now = monotonic();
  const later = alarm.times.findIndex((time) => time > now);
  alarm.times.splice(0, later === -1 ? alarm.times.length : later);
  setTimer(model, alarm);
  announce(model);
}

function insert(times: number[], time: number): void {
  const later = times.findIndex((other) => other > time);
  times.splice(later === -1 ? times.length : later, 0, time);
  if (times.length > MAX_TIMES) times.pop();
}
