/** Keys that do something wherever the reader is, unless text is being typed or a dialog is open. */
import { useEffect, useRef } from 'preact/hooks';

const KEY = 'mongoose-task-queue.shortcuts';
const PAIR_MS = 1_200;

/** What is done at a key, or at two after each other: "r", "g o". */
export type Shortcuts = Readonly<Record<string, () => void>>;

export function shortcutsOn(): boolean {
  try {
    return localStorage.getItem(KEY) !== 'off';
  } catch {
    return true;
  }
}

export function switchShortcuts(on: boolean): void {
  try {
    if (on) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, 'off');
  } catch {
    // Where storage is forbidden they stay on.
  }
}

export function useShortcuts(shortcuts: Shortcuts): void {
  const current = useRef(shortcuts);
  current.current = shortcuts;
  useEffect(() => {
    let first = '';
    let at = 0;
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isBusy(event.target)) return;
      const pair = performance.now() - at < PAIR_MS ? `${first} ${event.key}` : '';
      const act = current.current[pair] ?? current.current[event.key];
      [first, at] = act ? ['', 0] : [event.key, performance.now()];
      if (!act || !shortcutsOn()) return;
      event.preventDefault();
      act();
    };
    addEventListener('keydown', pressed);

    return () => removeEventListener('keydown', pressed);
  }, []);
}

function isBusy(target: EventTarget | null): boolean {
  const typing = target instanceof Element && target.closest('input:not([type=checkbox]), textarea, select') !== null;

  return typing || document.querySelector('dialog[open]') !== null;
}
