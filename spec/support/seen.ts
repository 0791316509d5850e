import type { Document } from 'mongoose';
import { attempts, failures, lease } from 'mongoose-task-queue';

/** What a handle shows, as a plain object: a mismatch prints it, where that of a document ends in Jest's own error. */
export function seen(task: Document | null): Record<string, unknown> | null {
  if (!task) return null;

  const { id, isNew } = task as Document & { id: string };
  return { ...task.toObject(), id, isNew, lease: lease(task), attempts: attempts(task), failures: failures(task) };
}
