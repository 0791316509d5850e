import { CLOCKS_MS, holdsOf, type Evidence, type Finding, type Hold } from './evidence';

/** Claims of a task while somebody else still held it, by a lease that had neither ended nor been let go. */
export function findDoublyHeld(evidence: Evidence): Finding[] {
  return [...holdsOf(evidence).values()].flatMap((holds) =>
    holds.slice(1).flatMap((hold, index) => {
      // One that began earlier may have been renewed for longer than those after it.
      const other = holds.slice(0, index + 1).find((earlier) => overlaps(earlier, hold));
      return other ? [{ subject: hold.task, text: `${show(other)} and ${show(hold)} hold it at once` }] : [];
    }),
  );
}

/** Fences that were handed out twice. */
export function findSameFences(evidence: Evidence): Finding[] {
  return [...holdsOf(evidence).values()].flatMap((holds) =>
    holds.flatMap((hold, index) => {
      const other = holds.slice(0, index).find(({ fence }) => fence === hold.fence);
      return other ? [{ subject: hold.task, text: `${show(other)} and ${show(hold)} have one fence` }] : [];
    }),
  );
}

// A lease's end is told by the server; that of a hold that was let go is told by its holder, whose clock may differ a little.
function overlaps(earlier: Hold, later: Hold): boolean {
  return later.claimedAt < earlier.until && later.claimedAt < earlier.lettingGoAt - CLOCKS_MS;
}

function show({ by, fence, claimedAt, until, lettingGoAt }: Hold): string {
  const letGo = Number.isFinite(lettingGoAt) ? `, let go at ${Math.round(lettingGoAt)}` : '';

  return `${by} (fence ${fence}, ${Math.round(claimedAt)} to ${Math.round(until)}${letGo})`;
}
