/** Where the reader is, as the part of the address behind `#/`: names, then a query. */
import { useHeard } from './heard';

export interface Route {
  readonly names: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

export function parse(hash: string): Route {
  const [names = '', query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s);

  return {
    names: names.split('/').filter(Boolean).map(decoded),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** The address of a route; what is empty of the query is left out. */
export function address(names: readonly string[], query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((one): one is [string, string] => Boolean(one[1]));
  const search = new URLSearchParams(given).toString();

  return `#/${names.map(encodeURIComponent).join('/')}${search && `?${search}`}`;
}

export function addressOfTasks(model: string, query: Record<string, string | undefined> = {}): string {
  return address([model, 'tasks'], query);
}

export function addressOfTask(model: string, id: string): string {
  return address([model, 'task', id]);
}

/** Goes there. With `replace` the way back leads past where the reader is now. */
export function go(to: string, { replace = false } = {}): void {
  if (replace) {
    history.replaceState(null, '', to);
    dispatchEvent(new HashChangeEvent('hashchange'));
  } else location.hash = to;
}

export function useRoute(): Route {
  return parse(useHeard('hashchange', () => location.hash));
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // typed by hand
  }
}
