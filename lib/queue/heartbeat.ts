import { renewalMs } from '../claim/takeover';
import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { TaskQueueError } from '../errors';
import { renew } from '../settle/hold';
import { lease } from '../task/handle';
import { clearInterval, setInterval } from '../timers';

/**
 * Renews the lease of a task until the returned function is called, the task is settled, or the lease is lost; also when nobody has the task
 * any more, nor that function: then nobody can settle it.
 */
export function keepLease(task: AnyDocument, report: (error: unknown) => void): () => void {
  const timer = renewWhileKept(new WeakRef(task), definitionOf(modelOf(task)).options.leaseMs, report);
  let kept: AnyDocument | null = task;

  return () => {
    clearInterval(timer);
    // Who has this function has the task.
    kept &&= null;
  };
}

function renewWhileKept(kept: WeakRef<AnyDocument>, leaseMs: number, report: (error: unknown) => void): NodeJS.Timeout {
  const timer = setInterval(() => {
    const task = kept.deref();
    if (!task || !lease(task)) return clearInterval(timer);
    renew(task).catch((error: unknown) => {
      // Lost, or deleted: there is nothing left to renew.
      if (error instanceof TaskQueueError) clearInterval(timer);
      // Settled while the renewal was on its way: nothing was lost.
      if (lease(task)) report(error);
    });
  }, renewalMs(leaseMs));
  // The renewal alone must not keep a process alive.
  timer.unref();

  return timer;
}
