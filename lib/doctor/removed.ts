import { type AnyModel, clientOf } from '../definition/definition';
import { askHello } from '../server/supported';
import { answered } from '../server/time-limit';
import { lastHour } from '../side/history';
import type { Check, Found } from './finding';

/** From so many on, a look for a task takes milliseconds of the server's time: about one for each thousand, measured on MongoDB 6.0.5. */
const MANY = 10_000;
/** Since 7.0.11 the server passes over whole pages of removed keys: https://jira.mongodb.org/browse/WT-10807 */
const PASSES_OVER = [7, 0, 11];
const HOUR_S = 3_600;

export const removed: Check = {
  name: 'removed',
  about: 'claims do not walk over many index keys that were removed',
  isOfCollection: true,

  async look({ definition: { model } }): Promise<Found[]> {
    const { finished, failed } = await lastHour(model);
    const perSecond = (finished + failed) / HOUR_S;
    // The window is at most a day, so slower queues need no question that takes a right.
    if (perSecond * 24 * HOUR_S < MANY) return [];

    return ofWindow(perSecond, await windowOf(model), await versionOf(model));
  },
};

/** How long a replica set keeps what was removed, in seconds. */
async function windowOf(model: AnyModel): Promise<number> {
  const client = clientOf(model)!;
  const { setName } = await askHello(client);
  if (setName === undefined) return 0;
  const { minSnapshotHistoryWindowInSeconds: window } = await answered(
    client.db('admin').command({ getParameter: 1, minSnapshotHistoryWindowInSeconds: 1 }),
  );

  return Number(window);
}

async function versionOf(model: AnyModel): Promise<readonly number[]> {
  const { versionArray } = await answered(model.db.getClient().db('admin').command({ buildInfo: 1 }));

  return versionArray as number[];
}

export function ofWindow(perSecond: number, windowS: number, version: readonly number[]): Found[] {
  const keys = Math.round(perSecond * windowS);
  if (keys < MANY || !isBefore(version, PASSES_OVER)) return [];

  return [
    {
      text: `about ${keys} index keys of tasks that were claimed in the last ${windowS} s are still there, and each look for a task walks over them`,
      hint: 'Set `minSnapshotHistoryWindowInSeconds` of the members to 5, unless something reads snapshots of the past, or upgrade to MongoDB 7.0.11 or newer.',
      severity: 'warning',
    },
  ];
}

function isBefore(version: readonly number[], other: readonly number[]): boolean {
  const differing = other.findIndex((part, index) => version[index] !== part);

  return differing !== -1 && (version[differing] ?? 0) < other[differing]!;
}
