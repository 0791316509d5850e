import { collectionOf, type Definition, type Filter } from '../definition/definition';
import { confirm } from '../server/confirm';
import { attemptsBefore } from '../task/held';
import { clearInterval, setInterval } from '../timers';
import { renewalMs, takeoverAt } from './takeover';

const MAX_TIME_MS = 1_000;

/** Waits until a claim meets its write concern, and renews its leases meanwhile: the wait may take longer than a lease. */
export async function confirmHeld(definition: Definition, held: Filter, hint: string): Promise<void> {
  const { model, options, writeConcern } = definition;
  const until = takeoverAt(attemptsBefore, options);
  const extended = [{ $set: { '_task.availableAt': until, '_task.startedAt': '$$NOW' } }];
  const how = { hint, writeConcern: { w: 1 }, maxTimeMS: MAX_TIME_MS };
  // A renewal may fail: the next one may succeed, or the lease ends.
  const extend = () =>
    void collectionOf(model)
      .updateMany(held, extended, how)
      .catch(() => {});
  const timer = setInterval(extend, renewalMs(options.leaseMs)).unref();
  try {
    await confirm(model, writeConcern);
  } finally {
    clearInterval(timer);
  }
}
