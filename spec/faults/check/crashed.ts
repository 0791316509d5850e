import { named, type Evidence, type Finding } from './evidence';

/** Processes that ended by themselves with an error: an unhandled rejection, say. */
export function findCrashed(evidence: Evidence): Finding[] {
  return named(evidence, 'gone')
    .filter(({ isKilled }) => !isKilled)
    .map(({ process, text }) => ({ subject: process, text }));
}
