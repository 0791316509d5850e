import type { Definition } from '../definition/definition';

/** At most this many times the wanted number of tasks is read, for a claim to choose from. */
const MAX_CHOICE = 4;
/** The part of the tried tasks that a claim must win; below it, other consumers were faster too often. */
const FEW = 0.6;

const choices = new WeakMap<Definition, number>();

/** How many times the wanted number of tasks a claim reads: more than 1 while other processes claim at the same moment. */
export function choiceOf(definition: Definition): number {
  return choices.get(definition) ?? 1;
}

/** Notes which part of the tried tasks a claim has won, from 0 to 1. */
export function noteContention(definition: Definition, won: number): void {
  const choice = choiceOf(definition);
  choices.set(definition, won < FEW ? Math.min(MAX_CHOICE, choice * 2) : Math.max(1, choice / 2));
}

/** A stretch of `wanted` tasks, at a random place if there are more, so that processes do not all try to claim the same tasks. */
export function someOf<Id>(ids: readonly Id[], wanted: number): readonly Id[] {
  const start = Math.floor(Math.random() * (Math.max(0, ids.length - wanted) + 1));

  return ids.slice(start, start + wanted);
}
