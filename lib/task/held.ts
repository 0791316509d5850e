import type { Types } from 'mongoose';
import type { Definition, Filter } from '../definition/definition';
import { State } from '../fields';

/**
 * Those of the tasks that one claim still holds. A token is compared with its own tasks, never a list of tokens with a list of ids:
 * of two handles of one task that would let the late one win.
 */
export function heldBy({ options }: Definition, token: Types.ObjectId, ids: readonly unknown[]): Filter {
  return { _id: { $in: ids }, [options.fields.state]: State.RUNNING, '_task.token': token };
}
