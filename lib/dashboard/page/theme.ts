/** Dark or light: as the system has it, unless the reader chose otherwise. Bundled by itself too, to run before the first paint. */
const KEY = 'mongoose-task-queue.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

export type Theme = 'dark' | 'light';

function chosen(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // where storage is forbidden, the choice lasts as long as the page
  }
}

export function currentTheme(): Theme {
  return document.documentElement.dataset['theme'] === 'dark' ? 'dark' : 'light';
}

export function applyTheme(theme: string | null = chosen()): void {
  const dark = theme ? theme === 'dark' : system.matches;
  document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
  dispatchEvent(new Event('themechange'));
}

export function switchTheme(): void {
  const next: Theme = currentTheme() === 'dark' ? 'light' : 'dark';
  try {
    // What the system has needs no memory, and follows the system from then on.
    if ((next === 'dark') === system.matches) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // as above
  }
  applyTheme(next);
}

applyTheme();
system.addEventListener('change', () => applyTheme());
