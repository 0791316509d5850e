import type { AnyDocument } from '../definition/definition';
import { handleOf, type Handle } from '../task/handle';

/** A settle that was begun. */
export type Settling = NonNullable<Handle['settling']>;

/** The settle of a task that has not ended yet. */
export function settlingOf(task: AnyDocument): Settling | undefined {
  const { settling, settlesBegun, settlesEnded } = handleOf(task);

  return settling && settlesBegun > settlesEnded ? settling : undefined;
}
