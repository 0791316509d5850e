import type { Outcome } from '../events';
import { endingIntents, holdsOf, isEnd, type Evidence, type Finding, type Hold } from './evidence';

/** Fences of which two outcomes were accepted, and tasks that ended by two. */
export function findSettledTwice(evidence: Evidence): Finding[] {
  const intents = endingIntents(evidence);

  return [...holdsOf(evidence)].flatMap(([task, holds]) => {
    const accepted = holds.flatMap(acceptedBy);
    const ends = intents.has(task) ? accepted.filter(({ outcome }) => isEnd(outcome)) : [];
    const effects = evidence.effects.filter((effect) => effect.task === task);
    const fences = [...new Set([...ends, ...effects].map(({ fence }) => fence))];
    const twice = accepted.filter(({ fence, outcome }, index) =>
      accepted.slice(0, index).some((other) => other.fence === fence && other.outcome !== outcome),
    );
    return [
      ...twice.map(({ fence }) => ({
        subject: task,
        text: `fence ${fence}: ${accepted
          .filter((one) => one.fence === fence)
          .map(show)
          .join(', ')}`,
      })),
      ...(fences.length > 1 ? [{ subject: task, text: `was ended by the fences ${fences.join(' and ')}` }] : []),
      ...(effects.length > 1 ? [{ subject: task, text: `has the effects of ${effects.length} transactions` }] : []),
    ];
  });
}

/** Ends that were accepted and have not lasted, or that lack what was saved with them. */
export function findUndone(evidence: Evidence): Finding[] {
  const intents = endingIntents(evidence);

  return [...holdsOf(evidence)].flatMap(([task, holds]) => {
    const stored = evidence.tasks.get(task);
    if (!stored || !intents.has(task)) return [];
    return holds.flatMap(acceptedBy).flatMap(({ by, fence, outcome }) => {
      const wanted = outcome === 'finished' ? 'FINISHED' : outcome === 'failed' ? 'FAILED' : null;
      if (!wanted) return [];
      const isKept = stored.state === wanted && stored.fence === fence;
      const isSaved = wanted === 'FAILED' || !stored.isChanged || stored.doneBy === fence;
      if (isKept && isSaved) return [];
      const { state, fence: last, doneBy } = stored;
      return [
        {
          subject: task,
          text: `${by} ${outcome} it with fence ${fence}; stored: ${JSON.stringify({ state, last, doneBy })}`,
        },
      ];
    });
  });
}

interface Accepted {
  readonly by: string;
  readonly fence: number;
  readonly outcome: Outcome;
}

/** What a holder was told to be the outcome, each once: a worker tells again of what its handler did. */
function acceptedBy({ by, fence, settled }: Hold): Accepted[] {
  const outcomes = new Set(settled.map(({ outcome }) => outcome).filter((outcome) => outcome !== 'lost'));

  return [...outcomes].map((outcome) => ({ by, fence, outcome }));
}

function show({ by, outcome }: Accepted): string {
  return `${outcome} by ${by}`;
}
