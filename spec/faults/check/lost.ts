import { endingIntents, intentsOf, named, show, type Evidence, type Finding } from './evidence';

/** Pushes that were acknowledged, and whose tasks are nowhere although they have not expired. */
export function findLost(evidence: Evidence): Finding[] {
  const intents = intentsOf(evidence);
  const { tasks, expiredBefore = 0 } = evidence;

  return named(evidence, 'pushed')
    .filter(({ task, at }) => !tasks.has(task) && at >= expiredBefore)
    .map(({ task, by }) => ({
      subject: task,
      text: `was acknowledged to ${by} and is not stored ${show(intents.get(task))}`,
    }));
}

/** Tasks that ended otherwise than they were meant to. */
export function findWrongEnds(evidence: Evidence): Finding[] {
  const intents = endingIntents(evidence);

  return [...evidence.tasks.values()].flatMap(({ id, state }) => {
    const intent = intents.get(id);
    const isOver = state === 'FINISHED' || state === 'FAILED';
    if (!intent || !isOver || state === intent.ends) return [];
    return [{ subject: id, text: `is ${state} and not ${intent.ends} ${show(intent)}` }];
  });
}
