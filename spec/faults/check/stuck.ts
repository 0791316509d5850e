import { intentsOf, named, show, type Evidence, type Finding } from './evidence';

/** Tasks that healthy workers have left as they were when nothing stood in their way. */
export function findStuck(evidence: Evidence): Finding[] {
  const intents = intentsOf(evidence);
  const left = new Map(named(evidence, 'left').map((event) => [event.task, event]));

  return [...left.values()].map(({ task, text }) => ({ subject: task, text: `${text} ${show(intents.get(task))}` }));
}
