/** What a request is about. It is found in the last two steps of its path, so that it does not matter where the dashboard is mounted. */
export type Route =
  | { readonly kind: 'api'; readonly name: string }
  | { readonly kind: 'asset'; readonly name: string }
  | { readonly kind: 'page' }
  /** To the same place as a folder, from which relative addresses lead to the others. */
  | { readonly kind: 'redirect'; readonly to: string };

export function routeOf(pathname: string): Route {
  const steps = pathname.split('/');
  const name = steps.at(-1)!;
  const folder = steps.at(-2);
  if (name === '') return { kind: 'page' };
  if (folder === 'api') return { kind: 'api', name };
  if (folder === 'assets') return { kind: 'asset', name };

  return { kind: 'redirect', to: folderOf(name) };
}

/** The relative address of the folder of this name. */
export function folderOf(name: string): string {
  // With a dot before it no name is taken for a scheme.
  return `./${name}/`;
}
