import type { AnyModel } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { pause, resume } from '../side/pause';
import type { ActOptions, Outcome } from './act-options';

/** Pauses a queue or one of its categories, or ends that. */
export async function pauseQueue(
  model: AnyModel,
  { action, category, reason, ids, state, q }: ActOptions,
): Promise<Outcome> {
  if (ids !== undefined || state !== undefined || q !== undefined)
    throw new InvalidOptionError(
      `Expected no tasks for \`${action}\`, which is of a whole queue, or of a \`category\`.`,
    );
  const options = category === undefined ? {} : { category };
  if (action === 'resume') await resume(model, options);
  else await pause(model, { ...options, ...(reason !== undefined && { reason }) });

  return { done: 1, skipped: [], more: false };
}
