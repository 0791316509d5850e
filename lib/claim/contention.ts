import type { Definition } from '../definition/definition';

/** Times as many tasks as are wanted, at the most, from which a claim takes its share. */
const MAX_CHOICE = 4;
/** Below this part of what it tried for, others were faster too often. */
const FEW = 0.6;

const choices = new WeakMap<Definition, number>();

/** How many times as many tasks as it wants a claim of many reads: more than once when others claim at the same moment. */
export function choiceOf(definition: Definition): number {
  return choices.get(definition) ?? 1;
}

/** Tells which part of the tasks that a claim tried for it got. */
export function noteContention(definition: Definition, won: number): void {
  const choice = choiceOf(definition);
  choices.set(definition, won < FEW ? Math.min(MAX_CHOICE, choice * 2) : Math.max(1, choice / 2));
}

/** A stretch of the queue, at random where there are more tasks than wanted: so that processes do not all try for the same. */
export function someOf<Id>(ids: readonly Id[], wanted: number): readonly Id[] {
  const start = Math.floor(Math.random() * (Math.max(0, ids.length - wanted) + 1));

  return ids.slice(start, start + wanted);
}
