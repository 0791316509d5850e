import { shownId } from '../values/id';
import type { BlockedBy, BlockingDocument } from '../waiting/blocked-by';
import { count } from './words';

/** At most so many documents of one clause are named. */
const MAX_NAMED = 5;

/** What holds a task back, or has failed it, as sentences. */
export function explainBlocked(clauses: readonly BlockedBy[], hasFailed: boolean): string[] {
  return clauses.flatMap((clause) => {
    const { type, reason, cycle } = clause;
    const because = reason === undefined ? '' : ` (${reason})`;
    if (type === 'paused') return [`The queue is paused${because}: \`resume\` lets it go on.`];
    if (type === 'cancelled') return [];
    if (type === 'behind')
      return [`It starts when the running task of its key has ended: ${clause.documents.map(shown).join(', ')}.`];
    const circle = cycle
      ? [
          `That is a circle, and none of them ever runs: ${[...cycle, cycle[0]!].map(({ model, id }) => `${model} ${shownId(id)}`).join(' → ')}.`,
        ]
      : [];

    return [explainClause(clause, hasFailed), ...circle];
  });
}

function explainClause({ path, type, documents }: BlockedBy, hasFailed: boolean): string {
  const named = documents.slice(0, MAX_NAMED).map(shown).join(', ');
  const more = documents.length > MAX_NAMED ? `, and ${count(documents.length - MAX_NAMED)} more` : '';
  const by = path === null ? '' : ` (\`${path}\`${type === 'ANY_OF' ? ', any of them' : ''})`;
  if (documents.length === 0) return `It waits by \`${path}\` for a document, and refers to none.`;
  const missing = documents.some(({ standing }) => standing === 'missing')
    ? ' What is missing is looked for twice a minute.'
    : '';

  return `It ${hasFailed ? 'failed with' : 'waits for'} ${named}${more}${by}.${missing}`;
}

function shown({ model, id, standing, values }: BlockingDocument): string {
  const fields = Object.entries(values ?? {}).map(([name, value]) => `${name} is ${JSON.stringify(value)}`);
  const how =
    standing === 'missing'
      ? 'which is not there'
      : fields.length > 0
        ? `whose ${fields.join(', ')}`
        : `which is ${standing}`;

  return `${model} ${shownId(id)}, ${how}`;
}
