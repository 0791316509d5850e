import type { mongo } from 'mongoose';
import type { Command, MonitoredConnection } from './commands';

/** The commands that renewed leases: the only writes that move the end of a lease and leave the state as it is. */
export function renewalsSent(monitored: MonitoredConnection): Command[] {
  return monitored.sent('update').filter(({ body }) => {
    const [{ q, u }] = body['updates'] as [{ q: mongo.Document; u: mongo.Document }];
    const $set = (Array.isArray(u) ? u[0].$set : {}) as object;
    return '_task.token' in q && '_task.availableAt' in $set && !('state' in $set);
  });
}
