/** The server's time, as far as the page knows it, told once a second to what shows how long ago something was. */
import { useEffect, useState } from 'preact/hooks';

let ahead = 0;
let ticking: ReturnType<typeof setInterval> | undefined;
const ticks = new Set<() => void>();

/** Learns from an answer how far the server's clock is ahead of this machine's. */
export function heardTime(iso: string): void {
  ahead = Date.parse(iso) - Date.now();
}

export function now(): number {
  return Date.now() + ahead;
}

/** What `text` says now; rendered again when it says something else. */
export function useTicking(text: () => string): string {
  const [, show] = useState('');
  const current = text();
  useEffect(() => {
    const tick = () => show(text());
    ticks.add(tick);
    ticking ??= setInterval(() => {
      if (!document.hidden) for (const one of ticks) one();
    }, 1_000);

    return () => {
      ticks.delete(tick);
      if (ticks.size > 0) return;
      clearInterval(ticking);
      ticking = undefined;
    };
  });

  return current;
}
