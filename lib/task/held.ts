import { Types } from 'mongoose';
import { type AnyDocument, type Definition, definitionOf, type Filter, modelOf } from '../definition/definition';
import { State } from '../fields';
import { handleOf } from './handle';

/**
 * The filter for tasks that one claim still holds. A token is compared with its own tasks, never a list of tokens with a list of ids:
 * of two handles of one task, that would let the late one write.
 */
export function heldBy({ options }: Definition, token: Types.ObjectId, ids: readonly unknown[]): Filter {
  return { _id: { $in: ids }, [options.fields.state]: State.RUNNING, '_task.token': token };
}

/** The filter that lets only the holder of the task's lease write. */
export function holdFilter(task: AnyDocument, token = new Types.ObjectId(handleOf(task).lease!.token)): Filter {
  const { state } = definitionOf(modelOf(task)).options.fields;

  return { [state]: State.RUNNING, '_task.token': token };
}
