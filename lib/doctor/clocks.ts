import type { AnyModel } from '../definition/definition';
import { answered } from '../server/time-limit';
import { wallClock } from '../timers';
import type { Check, Found } from './finding';

/** Clocks that differ by less are right enough, in milliseconds. */
const MAX_SKEW_MS = 1_000;
/** The driver chooses a member by itself: so often is asked, for each of them to be met. */
const ASKED = 8;

export const clocks: Check = {
  name: 'clocks',
  about: 'the clocks of the servers and of this machine agree',
  isOfCollection: true,

  async look({ definition: { model } }): Promise<Found[]> {
    const primary = await ask(model, 'primary');
    const others = [];
    if (primary.isOfSet) for (let time = 0; time < ASKED; time++) others.push(await ask(model, 'secondaryPreferred'));

    return [...ofThisMachine(primary), ...ofMembers(primary, others)];
  },
};

/** What a server's clock is ahead of this machine's, in milliseconds, give or take `errorMs`. */
export interface Reading {
  readonly member: string;
  readonly isOfSet: boolean;
  readonly aheadMs: number;
  readonly errorMs: number;
}

async function ask(model: AnyModel, readPreference: 'primary' | 'secondaryPreferred'): Promise<Reading> {
  const sentAt = wallClock();
  const admin = model.db.getClient().db('admin');
  const { localTime, me, setName } = (await answered(admin.command({ hello: 1 }, { readPreference }))) as {
    localTime: Date;
    me?: string;
    setName?: string;
  };
  const arrivedAt = wallClock();
  const aheadMs = localTime.getTime() - (sentAt + arrivedAt) / 2;

  return { member: me ?? 'the server', isOfSet: setName !== undefined, aheadMs, errorMs: (arrivedAt - sentAt) / 2 };
}

export function ofThisMachine({ aheadMs, errorMs }: Reading): Found[] {
  if (Math.abs(aheadMs) - errorMs <= MAX_SKEW_MS) return [];

  return [
    {
      text: `the clock of this machine is ${seconds(aheadMs)} ${aheadMs > 0 ? 'behind' : 'ahead of'} the server's`,
      hint: 'Leases and delays go by the server’s clock alone; a `runAt` that is computed here, and the times in logs, are off by that. Set the clock (NTP).',
      severity: 'warning',
    },
  ];
}

export function ofMembers(primary: Reading, others: readonly Reading[]): Found[] {
  const byName = new Map(others.map((one) => [one.member, one]));
  const isOff = (one: Reading) => Math.abs(one.aheadMs - primary.aheadMs) - one.errorMs - primary.errorMs > MAX_SKEW_MS;

  return [...byName.values()].filter(isOff).map((one) => ({
    text: `the clock of ${one.member} is ${seconds(one.aheadMs - primary.aheadMs)} ${one.aheadMs > primary.aheadMs ? 'ahead of' : 'behind'} the primary's`,
    hint: 'Should it become the primary, all leases end earlier or later by that. Set the clocks of the members (NTP).',
    severity: 'error',
  }));
}

function seconds(ms: number): string {
  return `${(Math.abs(ms) / 1_000).toFixed(1)} s`;
}
