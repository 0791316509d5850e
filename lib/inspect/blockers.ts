import { type AnyModel, definitionOf } from '../definition/definition';
import { type BlockedBy, blockedById, type BlockingDocument } from '../waiting/blocked-by';
import type { Blocker } from './answers';
import { idText, labelOf } from './ids';
import { inLine } from './shown';
import type { View } from './view';

/** At most so many are listed. */
const MAX_BLOCKERS = 100;

/** What keeps a task from being claimed, or has failed it. */
export async function blockersOf(view: View, model: AnyModel, id: unknown): Promise<Blocker[]> {
  const clauses = await blockedById(model, id);
  const isHidden = ({ path }: BlockedBy) => path !== null && view.hidesPartOf(model, path);
  const all = clauses.flatMap((clause) =>
    isHidden(clause)
      ? [textOnly('Waits by a hidden path')]
      : clause.documents.length === 0
        ? [withoutDocument(clause)]
        : clause.documents.map((one) => blocker(view, clause, one)),
  );
  if (all.length <= MAX_BLOCKERS) return all;

  return [...all.slice(0, MAX_BLOCKERS), textOnly(`${all.length - MAX_BLOCKERS} more`)];
}

function withoutDocument({ type, reason, path }: BlockedBy): Blocker {
  const what = type === 'paused' ? 'The queue is paused' : type === 'cancelled' ? 'Cancelled' : `Waits by \`${path}\``;

  return textOnly(reason === undefined ? what : `${what}: ${reason}`);
}

function textOnly(text: string): Blocker {
  return { text, model: null, id: null, state: null };
}

function blocker(view: View, { path, type, cycle }: BlockedBy, found: BlockingDocument): Blocker {
  const { model: name, id, standing, values } = found;
  const model = view.model(name);
  const shown = Object.entries(model ? (values ?? {}) : {}).filter(([field]) => !view.hidesPartOf(model!, field));
  const details = shown.length === 0 ? '' : ` (${inLine(Object.fromEntries(shown), 100)})`;
  const why = type === 'behind' ? 'the task before it of its key' : `\`${path}\``;
  const circle = cycle ? ', in a circle: none of them will ever run' : '';
  const state = model ? values?.[definitionOf(model).options.fields.state] : undefined;

  return {
    text: `${why}: ${name} ${labelOf(id)} is ${standing}${details}${circle}`,
    model: model ? name : null,
    id: model ? idText(id) : null,
    state: typeof state === 'string' ? state : null,
  };
}
