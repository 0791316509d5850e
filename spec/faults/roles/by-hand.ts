import { setTimeout as sleep } from 'node:timers/promises';
import { noteClaim, workAndSettle, type Part } from '../handler';
import type { Task } from '../tasks';

/** How long who found nothing waits before the next look, in milliseconds. */
const PAUSE_MS = 100;

/** A loop of `pop()`, of both models in turn. */
export async function runPop(part: Part): Promise<void> {
  const { Plain, Step } = part.tasks;
  await loop(part, async () => [await Plain.pop(), await Step.pop()].filter((task) => task !== null));
}

/** A loop of `popMany()`: one claim for several tasks, which are worked on at once. */
export async function runPopMany(part: Part): Promise<void> {
  const { Plain, Step } = part.tasks;
  await loop(part, async () => [...(await Plain.popMany(4)), ...(await Step.popMany(2))]);
}

async function loop(part: Part, claim: () => Promise<Task[]>): Promise<void> {
  while (!part.ending.aborted) {
    const tasks = await claim().catch((error: unknown) => {
      part.note({ name: 'complained', text: String(error) });
      return [];
    });
    for (const task of tasks) noteClaim(part, task);
    await Promise.all(tasks.map((task) => workAndSettle(part, task)));
    if (tasks.length === 0) await sleep(PAUSE_MS);
  }
}
