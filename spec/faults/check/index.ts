import { findCharged } from './charged';
import { findCrashed } from './crashed';
import { findEarly } from './early';
import type { Evidence, Finding } from './evidence';
import { findDoublyHeld, findSameFences } from './held';
import { findHung } from './hung';
import { findLost, findWrongEnds } from './lost';
import { findSettledTwice, findUndone } from './settled';
import { findStuck } from './stuck';

const JUDGES = {
  lost: findLost,
  undone: findUndone,
  'wrong end': findWrongEnds,
  'doubly held': findDoublyHeld,
  'same fence': findSameFences,
  'settled twice': findSettledTwice,
  early: findEarly,
  stuck: findStuck,
  charged: findCharged,
  hung: findHung,
  crashed: findCrashed,
} satisfies Record<string, (evidence: Evidence) => Finding[]>;

export type Kind = keyof typeof JUDGES;
export const KINDS = Object.keys(JUDGES) as Kind[];

export type Verdict = Readonly<Record<Kind, readonly Finding[]>>;

/** Judges a run by its histories and by what is stored at its end. */
export function judge(evidence: Evidence): Verdict {
  return Object.fromEntries(KINDS.map((kind) => [kind, JUDGES[kind](evidence)])) as unknown as Verdict;
}
