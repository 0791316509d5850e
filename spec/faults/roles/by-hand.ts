import { setTimeout as sleep } from 'node:timers/promises';
import { noteClaim, workAndSettle, type Part } from '../handler';
import type { Task } from '../tasks';

/** How long who found nothing waits before the next look, in milliseconds. */
const PAUSE_MS = 100;

/** A loop of `pop()`, of both models in turn. */
export async function runPop(part: Part): Promise<void> {
  const { Plain, Step } = part.tasks;
  await loop(part, [async () => onlyOne(await Plain.pop()), async () => onlyOne(await Step.pop())]);
}

/** A loop of `popMany()`: one claim for several tasks, which are worked on at once. */
export async function runPopMany(part: Part): Promise<void> {
  const { Plain, Step } = part.tasks;
  await loop(part, [() => Plain.popMany(4), () => Step.popMany(2)]);
}

function onlyOne(task: Task | null): Task[] {
  return task ? [task] : [];
}

async function loop(part: Part, claims: readonly (() => Promise<Task[]>)[]): Promise<void> {
  while (!part.ending.aborted) {
    let count = 0;
    for (const claim of claims) count += await workOnNext(part, claim);
    if (count === 0) await sleep(PAUSE_MS);
  }
}

/** Each claim by itself: one that fails must not take with it what another has brought. */
async function workOnNext(part: Part, claim: () => Promise<Task[]>): Promise<number> {
  const tasks = await claim().catch((error: unknown) => {
    part.note({ name: 'complained', text: String(error) });
    return [];
  });
  for (const task of tasks) noteClaim(part, task);
  await Promise.all(tasks.map((task) => workAndSettle(part, task)));

  return tasks.length;
}
