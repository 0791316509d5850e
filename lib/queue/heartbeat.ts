import { renewalMs } from '../claim/takeover';
import { type AnyDocument, definitionOf, modelOf } from '../definition/definition';
import { TaskQueueError } from '../errors';
import { renew } from '../settle/hold';
import { isOpen } from '../task/cancellation';
import { handleOf, lease } from '../task/handle';
import { clearInterval, setInterval } from '../timers';

/**
 * Renews the lease of a task until the returned function is called, the task is settled, or the lease is lost. It also ends when both the
 * task and that function are garbage-collected: then the task can no longer be settled.
 */
export function keepLease(task: AnyDocument, report: (error: unknown) => void): () => void {
  const timer = renewWhileKept(new WeakRef(task), definitionOf(modelOf(task)).options.leaseMs, report);
  let kept: AnyDocument | null = task;

  return () => {
    clearInterval(timer);
    // Used here, so that this function keeps the task from garbage collection.
    kept &&= null;
  };
}

function renewWhileKept(kept: WeakRef<AnyDocument>, leaseMs: number, report: (error: unknown) => void): NodeJS.Timeout {
  const timer = setInterval(() => {
    const task = kept.deref();
    // The lease of a task that is to be cancelled is not renewed.
    if (!task || !lease(task) || isOpen(handleOf(task).stored)) return clearInterval(timer);
    renew(task).catch((error: unknown) => {
      // The lease is lost or the task deleted: there is nothing left to renew.
      if (error instanceof TaskQueueError) clearInterval(timer);
      // A task that was settled during its renewal has lost nothing.
      if (lease(task)) report(error);
    });
  }, renewalMs(leaseMs));
  // The renewal alone must not keep a process alive.
  timer.unref();

  return timer;
}
