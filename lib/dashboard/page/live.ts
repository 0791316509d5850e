/** Whether the page follows what happens: one stream of changes while it can be seen and is not paused. */
import { useEffect, useState } from 'preact/hooks';
import type { Change } from '../api';

export type LiveState = 'live' | 'paused' | 'offline';

/** Told of the models that changed, or of none where the page may have missed something. */
type Listener = (models: readonly string[] | null) => void;

const REOPEN_MS = 5_000;

const listeners = new Set<Listener>();
const watchers = new Set<(state: LiveState) => void>();
let state: LiveState = 'offline';
let paused = false;
let stream: EventSource | undefined;
let reopening: ReturnType<typeof setTimeout> | undefined;

function become(next: LiveState): void {
  if (next === state) return;
  state = next;
  for (const watcher of watchers) watcher(state);
}

function tellAll(models: readonly string[] | null): void {
  for (const listener of listeners) listener(models);
}

function open(): void {
  close();
  if (paused || document.hidden) return;
  stream = new EventSource('api/events');
  stream.addEventListener('open', () => {
    become('live');
    tellAll(null);
  });
  stream.addEventListener('change', ({ data }) => tellAll((JSON.parse(String(data)) as Change).models));
  stream.addEventListener('error', () => {
    become('offline');
    // The browser opens it again after a broken connection, but not after an answer that refuses.
    if (stream?.readyState === EventSource.CLOSED) reopening = setTimeout(open, REOPEN_MS);
  });
}

function close(): void {
  clearTimeout(reopening);
  stream?.close();
  stream = undefined;
}

/** Starts to follow. The stream is closed while nobody sees the page. */
export function goLive(): void {
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  open();
}

export function togglePause(): void {
  paused = !paused;
  if (paused) {
    close();
    become('paused');
  } else {
    become('offline');
    open();
  }
}

/** Whether somebody sees the page and wants it to follow. */
export function isFollowing(): boolean {
  return !paused && !document.hidden;
}

/** Calls `listener` when one of `models` changed, or any where they are not given. */
export function onChange(models: readonly string[] | undefined, listener: () => void): () => void {
  const told: Listener = (changed) => {
    if (!changed || !models || changed.some((model) => models.includes(model))) listener();
  };
  listeners.add(told);

  return () => listeners.delete(told);
}

export function useLiveState(): LiveState {
  const [seen, see] = useState(state);
  useEffect(() => {
    see(state);
    watchers.add(see);

    return () => void watchers.delete(see);
  }, []);

  return seen;
}
