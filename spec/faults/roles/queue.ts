import { noteClaim, workAndSettle, type Part } from '../handler';
import type { Task } from '../tasks';

/** A loop over `queue()` for each model. */
export async function runQueue(part: Part): Promise<void> {
  const options = {
    pollMs: 200,
    signal: part.ending,
    onError: (error: unknown) => part.note({ name: 'complained', text: String(error) }),
  };
  const { Plain, Step } = part.tasks;
  await Promise.all([take(part, Plain.queue(options)), take(part, Step.queue(options))]);
}

async function take(part: Part, tasks: AsyncIterable<Task>): Promise<void> {
  for await (const task of tasks) {
    noteClaim(part, task);
    await workAndSettle(part, task);
  }
}
