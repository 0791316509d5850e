import type { mongo } from 'mongoose';
import type { Definition, Filter } from '../definition/definition';
import { ofSharedIndex } from '../definition/kind';
import { LIVE_STATES } from '../fields';
import { isDuplicate } from '../server/permanent';
import type { Bookkeeping } from '../task/bookkeeping';
import { indexName, liveFilter } from './claim-index';
import type { TaskIndex } from './existing';

/** Live tasks by their keys, and settled ones as long as the window of their push may be open. */
export function keyIndex(definition: Definition): TaskIndex {
  const { options } = definition;
  const { [options.fields.state]: live, ...kind } = liveFilter(definition);

  return {
    name: indexName(definition, 'key'),
    key: { '_task.key': 1 },
    unique: true,
    partialFilterExpression: {
      ...kind,
      '_task.key': { $exists: true },
      $or: [{ [options.fields.state]: live }, { '_task.throttledUntil': { $exists: true } }],
    },
  };
}

/** Both forms of a key: that of the task that has it, and that of one which runs while its successor has it. */
export function formsOf(key: string): NonNullable<Bookkeeping['key']>[] {
  return [key, { running: key }];
}

/** The key without its form. */
export function keyText(key: Bookkeeping['key']): string | undefined {
  return typeof key === 'object' ? key?.running : key;
}

/** The filter for tasks with a key in one of these forms, of the kind that the index is of. */
export function ofKey(definition: Definition, ...forms: NonNullable<Bookkeeping['key']>[]): Filter {
  return { '_task.key': forms.length === 1 ? forms[0] : { $in: forms }, ...ofSharedIndex(definition) };
}

/** The filter for the live tasks with a key in one of these forms. */
export function liveOf(definition: Definition, ...forms: NonNullable<Bookkeeping['key']>[]): Filter {
  return { ...ofKey(definition, ...forms), [definition.options.fields.state]: { $in: [...LIVE_STATES] } };
}

/** Whether the index of keys refused a write. */
export function isDuplicateKey(error: unknown): boolean {
  // For one statement of a bulk write the driver keeps only the text of the error.
  const { keyPattern, message, errmsg } = error as Partial<mongo.MongoServerError>;

  return isDuplicate(error) && (keyPattern ? '_task.key' in keyPattern : `${message}${errmsg}`.includes('task_key'));
}
