import type { AnyDocument, Definition, RawDocument } from '../definition/definition';
import { isLive, State } from '../fields';
import { readBookkeeping } from '../task/bookkeeping';
import { isOpen } from '../task/cancellation';
import { keyOf } from '../values/id';
import type { OfKey } from './of-key';

export const ON_DUPLICATE = ['keep', 'replace', 'debounce', 'supersede', 'after'] as const;

/** What a push under a key does when a live task has the key: see `PushOptions.onDuplicate`. */
export type OnDuplicate = (typeof ON_DUPLICATE)[number];

/**
 * What a push does next, by the tasks of its key: it stores its task, as the first or behind one that is aside; saves it where it has the key already; leaves the task that is there
 * as it is; gives it the new input; moves it aside, to come behind it; or first takes away a window that is over.
 */
export type Step =
  | { readonly does: 'store'; readonly behind: RawDocument | null }
  | { readonly does: 'save' }
  | { readonly does: 'keep' | 'replace' | 'move aside' | 'close'; readonly task: RawDocument };

export function nextStep(
  { options }: Definition,
  { front, aside }: OfKey,
  { document, mode, now }: { document: AnyDocument; mode: OnDuplicate; now: Date },
): Step {
  const stateOf = (task: RawDocument): unknown => task[options.fields.state];
  // A new document with the `_id` of a task is another push of it, not the task itself.
  const isOwn = (task: RawDocument | null) =>
    task !== null && !document.isNew && keyOf(task._id) === keyOf(document._id);
  const isEnding = (task: RawDocument) => stateOf(task) === State.RUNNING && isOpen(readBookkeeping({ ...task._task }));
  if (aside && isOwn(aside)) return { does: 'keep', task: aside };
  if (!front) {
    const isKept = aside !== null && mode === 'keep' && !isEnding(aside);
    return isKept ? { does: 'keep', task: aside } : { does: 'store', behind: aside };
  }
  const { throttledUntil, behind } = readBookkeeping({ ...front._task });
  if (isOwn(front) && isLive(stateOf(front))) return { does: 'save' };
  if (throttledUntil && throttledUntil > now) return { does: 'keep', task: front };
  if (!isLive(stateOf(front))) return { does: 'close', task: front };
  if (isEnding(front)) return { does: 'move aside', task: front };
  if (mode === 'keep') return { does: 'keep', task: front };

  const isWaiting = behind !== undefined || (stateOf(front) === State.CREATED && mode !== 'supersede');
  return { does: isWaiting ? 'replace' : 'move aside', task: front };
}
