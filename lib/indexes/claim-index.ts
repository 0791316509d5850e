import type { Definition, Filter } from '../definition/definition';
import { ofKind } from '../definition/kind';
import { LIVE_STATES } from '../fields';

/** The part of a filter that the partial indexes require. */
export function liveFilter({ options, kind }: Definition): Filter {
  return { [options.fields.state]: { $in: [...LIVE_STATES] }, ...ofKind(kind) };
}

export function claimOrder({ options }: Definition): Record<string, 1 | -1> {
  return { [options.fields.priority]: -1, '_task.availableAt': 1, _id: 1 };
}

export type IndexRole = 'claim' | 'category' | 'key' | 'ended' | 'expiry' | `expiry_${string}`;

/** The name of an index. A kind has its own claim indexes; expiry and keys are those of its base, unless only the kind has the plugin. */
export function indexName({ kind, kindOnly }: Definition, role: IndexRole): string {
  const isOfKind = kind !== null && (kindOnly || role === 'claim' || role === 'category');

  return isOfKind ? `task_${role}_${String(kind.value)}` : `task_${role}`;
}
