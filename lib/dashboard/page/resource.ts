/** An answer of the server that a view shows, kept as new as the page is live. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ask, Refusal } from './client';
import { isFollowing, onChange } from './live';

export interface Resource<T> {
  /** The newest answer; that of the question before, until there is one. */
  readonly data: T | undefined;
  /** Why the last question was not answered. What is in `data` may be old then. */
  readonly error: Refusal | undefined;
  /** Whether `data` answers another question than the current one. */
  readonly stale: boolean;
  reload(): void;
}

interface Options {
  /** Asked again when one of these changes. Default: at any change. */
  readonly models?: readonly string[] | undefined;
  /** At most once in so many milliseconds. Default: 1 000. */
  readonly everyMs?: number;
  /** Asked again after so many milliseconds where nothing changed but the time. Default: 30 000. */
  readonly idleMs?: number;
}

const RETRY_MS = 5_000;
/** The server gives one answer to all for a while, so what it says after a change may be from before it: it is asked again, so much later. */
const AGAIN_MS = [2_000, 5_000, 10_000];

interface Answer<T> {
  readonly where: string;
  readonly data: T | undefined;
  readonly error: Refusal | undefined;
}

/** Asks `where`, a path of `client.ts`; nothing while that is null. */
export function useResource<T>(
  where: string | null,
  { models, everyMs = 1_000, idleMs = 30_000 }: Options = {},
): Resource<T> {
  const [answer, setAnswer] = useState<Answer<T>>();
  const again = useRef<() => void>(() => {});
  const watched = models?.join('\n');

  useEffect(() => {
    if (where === null) return undefined;
    const asking = loop<T>(where, everyMs, (data, error) =>
      setAnswer((before) => ({ where, error, data: error ? before?.data : data })),
    );
    again.current = asking.now;
    const deaf = onChange(watched?.split('\n'), asking.soon);
    const idle = setInterval(() => isFollowing() && asking.soon(), idleMs);

    return () => {
      deaf();
      clearInterval(idle);
      asking.stop();
    };
  }, [where, everyMs, idleMs, watched]);

  const current = where === null ? undefined : answer;
  return {
    data: current?.data,
    error: current?.where === where ? current?.error : undefined,
    stale: current !== undefined && current.where !== where,
    reload: useCallback(() => again.current(), []),
  };
}

/** Asks one question at a time: `soon()` keeps the pace, `now()` does not. */
function loop<T>(where: string, everyMs: number, tell: (data: T | undefined, error?: Refusal) => void) {
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let due = false;
  let busy = false;
  let repeats = 0;

  const now = () => {
    repeats = 0;
    begin();
  };
  const begin = () => {
    abort.abort();
    abort = new AbortController();
    clearTimeout(timer);
    busy = true;
    due = false;
    const { signal } = abort;
    ask<T>(where, signal).then(
      (data) => !signal.aborted && settled(data),
      (error: unknown) => !signal.aborted && settled(undefined, error as Refusal),
    );
  };
  const settled = (data: T | undefined, error?: Refusal) => {
    tell(data, error);
    timer = setTimeout(rested, error ? Math.max(RETRY_MS, everyMs) : everyMs);
    // What passes by itself is asked again, what is wrong with the question is not.
    if (error && (error.status === 0 || error.status >= 500)) due = true;
  };
  const rested = () => {
    busy = false;
    if (!isFollowing()) return;
    if (due) now();
    else if (repeats < AGAIN_MS.length) timer = setTimeout(repeat, AGAIN_MS[repeats]);
  };
  const repeat = () => {
    if (!isFollowing()) return;
    repeats++;
    begin();
  };
  const soon = () => {
    due = true;
    if (!busy) now();
  };
  now();

  return { now, soon, stop: () => (clearTimeout(timer), abort.abort()) };
}
