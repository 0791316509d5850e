import { Types } from 'mongoose';
import {
  type AnyDocument,
  type Definition,
  definitionOf,
  type Filter,
  modelOf,
  type RawDocument,
} from '../definition/definition';
import { State } from '../fields';
import type { Bookkeeping } from './bookkeeping';
import { handleOf } from './handle';

/**
 * The filter for tasks that one claim still holds. A token is compared with its own tasks, never a list of tokens with a list of ids:
 * of two handles of one task, that would let the late one write.
 */
export function heldBy({ options }: Definition, token: Types.ObjectId, ids: readonly unknown[]): Filter {
  return { _id: { $in: ids }, [options.fields.state]: State.RUNNING, '_task.token': token };
}

/** The filter for raw tasks of one claim, as long as it still holds them. */
export function heldAsClaimed(definition: Definition, tasks: readonly RawDocument[]): Filter {
  const { token } = tasks[0]!._task as Bookkeeping;

  return heldBy(
    definition,
    token!,
    tasks.map(({ _id }) => _id as unknown),
  );
}

/** How many attempts were charged before the one that a claim has begun, as an expression of an update. */
export const attemptsBefore = { $subtract: ['$_task.attempts', 1] };

/** The filter that lets only the holder of the task's lease write. */
export function holdFilter(task: AnyDocument, token = new Types.ObjectId(handleOf(task).lease!.token)): Filter {
  const { state } = definitionOf(modelOf(task)).options.fields;

  return { [state]: State.RUNNING, '_task.token': token };
}
