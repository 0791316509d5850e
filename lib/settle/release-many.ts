import { Types } from 'mongoose';
import { giveBack, giveBackLater } from '../claim/give-back';
import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { announce } from '../notify/announce';
import { handleOf, lease } from '../task/handle';
import { heldBy } from '../task/held';
import { trace } from '../task/trace';
import { groupBy } from '../values/group';

/**
 * Puts tasks back that were popped and not begun, as if they had not been popped: one write for the tasks of one claim. A task that was
 * taken over meanwhile is left alone. On an error the tasks go back later, in the background.
 */
export async function releaseMany(tasks: readonly AnyDocument[]): Promise<void> {
  const byToken = groupBy(tasks, (task) => lease(task)!.token);
  await Promise.all([...byToken].map(([token, group]) => returnGroup(new Types.ObjectId(token), group)));
}

async function returnGroup(token: Types.ObjectId, tasks: readonly AnyDocument[]): Promise<void> {
  const definition = definitionOf(modelOf(tasks[0]!));
  const ids = tasks.map(({ _id }) => _id as unknown);
  const held = heldBy(definition, token, ids);
  const isKeyed = tasks.some((task) => handleOf(task).stored.key !== undefined);
  await giveBack(definition, held, isKeyed).catch((error: unknown) => {
    giveBackLater(definition, held);
    throw error;
  });
  for (const task of tasks) {
    handleOf(task).lease = null;
    trace('released', task);
  }
  announce(definition.model);
}
