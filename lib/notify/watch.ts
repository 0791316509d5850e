import { hasChangeStreams } from '../server/clock';
import type { Watched } from './arrivals';
import { changeStreamOf } from './change-stream';
import { signalsOf } from './signal-stream';

/**
 * Has changes that other processes make to the models announced: by change streams, or by signals where the server has none. Resolves to a
 * function that stops it.
 */
export async function watchChanges(watched: readonly Watched[]): Promise<() => void> {
  const found = new Map<ReturnType<typeof changeStreamOf | typeof signalsOf>, Watched[]>();
  for (const one of watched) {
    const changes = (await hasChangeStreams(one.model)) ? changeStreamOf(one.model) : signalsOf(one.model);
    found.set(changes, [...(found.get(changes) ?? []), one]);
  }
  const stops = [...found].map(([changes, ofThem]) => changes.watch(ofThem));

  return () => stops.forEach((stop) => stop());
}
