import type { Definition } from '../definition/definition';

/**
 * What a hold writes so that its task does not expire before the hold ends, as `until` computes it. A task without expiry gets none,
 * and one that would not expire before keeps its own.
 */
export function outlive({ expireAfterSeconds }: Definition, until: object): Record<string, object> {
  if (expireAfterSeconds === false) return {};
  const expiresBefore = { $lt: ['$_task.expiresFrom', { $subtract: [until, expireAfterSeconds * 1_000] }] };
  const canExpire = { $eq: [{ $type: '$_task.expiresFrom' }, 'date'] };

  return { '_task.expiresFrom': { $cond: [{ $and: [canExpire, expiresBefore] }, until, '$_task.expiresFrom'] } };
}

/** The same for a claim, where one of its holds is as long as the expiry. Others end before, unless they are renewed. */
export function outliveLong(definition: Definition, until: object, holdsMs: readonly number[]): Record<string, object> {
  const { expireAfterSeconds } = definition;
  const isLong = expireAfterSeconds !== false && Math.max(...holdsMs) >= expireAfterSeconds * 1_000;

  return isLong ? outlive(definition, until) : {};
}
