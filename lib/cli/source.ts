import type { AnyModel } from '../any';
import { definitionOf } from '../definition/definition';
import { takeIndexesAsTheyAre } from '../indexes/prepare';
import { openFound } from './found';
import { openRequired } from './required';
import { UsageError } from './terminal';

/** Models, and the connections they are on. */
export interface Source {
  readonly models: readonly AnyModel[];
  /** Whether they were made up of what is stored: then nothing is written by them. */
  readonly isFound: boolean;
  close(): Promise<void>;
}

export interface SourceOptions {
  readonly uri?: string | undefined;
  readonly require?: readonly string[] | undefined;
}

/** Opens the queues: those that a file defines, or else those that are found in the database. */
export async function openSource({ uri, require: files = [] }: SourceOptions): Promise<Source> {
  if (files.length === 0 && !uri)
    throw new UsageError(
      'Say where the queues are: `--uri mongodb://host/database` (or MONGODB_URI), or `--require ./models.js`, the file that defines your models.',
    );
  const source = files.length > 0 ? await openRequired(files, uri) : await openFound(uri!);
  // Looking at a queue must not build an index: `doctor --fix` does, when it is told to.
  source.models.forEach(takeIndexesAsTheyAre);

  return source;
}

/** The models that are meant: all, or those of these names, by which collections are meant as well. */
export function chosen(models: readonly AnyModel[], names: readonly string[] = []): AnyModel[] {
  if (names.length === 0) return [...models];

  return names.flatMap((name) => {
    const same = (other: string) => other.toLowerCase() === name.toLowerCase();
    const found = models.filter((model) => same(model.modelName));
    const byCollection = models.filter((model) => same(model.collection.name) && !definitionOf(model).kind);
    if (found.length > 0 || byCollection.length > 0) return found.length > 0 ? found : byCollection;
    const known = models.map(({ modelName }) => modelName).join(', ');
    throw new UsageError(`There is no queue \`${name}\`. There ${models.length === 1 ? 'is' : 'are'} ${known}.`);
  });
}
