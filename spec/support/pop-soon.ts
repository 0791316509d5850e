import type { ModelOf, TaskStatics } from 'mongoose-task-queue';
import { eventually } from './eventually';

/**
 * Pops a task that is ready. On a busy machine a pop may pass over it for a second, when a write that should wake it took longer than a pop
 * waits for locked documents: then the next one has it.
 */
export function popSoon<Doc>(model: ModelOf<Doc> & TaskStatics): Promise<Doc> {
  return eventually(async () => {
    const task = await model.pop<Doc>();
    if (!task) throw new Error('Nothing was ready.');
    return task;
  });
}
