import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { State } from '../fields';
import { type Bookkeeping, handleOf } from '../task/handle';
import { rawFields } from './memory';
import { setQuietly } from './stage';

/** What a write makes of a task. A value of undefined removes the field. */
export interface Change {
  state: State;
  task: { [name in keyof Bookkeeping]?: Bookkeeping[name] | undefined };
}

export function adopt(document: AnyDocument, { state, task }: Change, touchedAt?: Date | number): void {
  const { options, updatedAt } = definitionOf(modelOf(document));
  const handle = handleOf(document);
  const stored: Change['task'] = { ...handle.stored };
  for (const name of Object.keys(task) as (keyof Bookkeeping)[]) {
    if (task[name] !== undefined) stored[name] = task[name] as never;
    else if (name in stored) delete stored[name];
  }

  handle.stored = stored as Bookkeeping;
  // Through the document it would be a change, which every task would have to be relieved of.
  rawFields(document)[options.fields.state] = state;
  if (updatedAt && touchedAt !== undefined) setQuietly(document, updatedAt.path, touchedAt);
}
