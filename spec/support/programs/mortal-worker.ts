import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection } from 'mongoose';
import { LeaseLostError } from 'mongoose-task-queue';
import { makeJob } from '../job';
import { randomFrom } from '../random';
import { readInput, say } from './talk';

interface Input {
  uri: string;
  seed: number;
  callers: number;
}

type Jobs = ReturnType<typeof makeJob>;
type Job = InstanceType<Jobs>;

const hanging: Promise<void>[] = [];

/** Works until no task is live, and does with each what its seed says: settle it, hang, or die. */
async function main({ uri, seed, callers }: Input): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Job = makeJob(connection);
  const random = randomFrom(seed);
  await Promise.all(Array.from({ length: callers }, () => work(Job, random)));
  await Promise.all(hanging);
  await connection.destroy();
}

async function work(Job: Jobs, random: () => number): Promise<void> {
  for (;;) {
    const job = await Job.pop();
    if (job) {
      say({ claimed: job.id, fence: job.lease!.fence, attempt: job.attempts });
      await handle(Job, job, random);
    } else if ((await Job.countDocuments({ state: { $in: ['CREATED', 'RUNNING'] } })) === 0) {
      return;
    } else {
      await sleep(10);
    }
  }
}

async function handle(Job: Jobs, job: Job, random: () => number): Promise<void> {
  const choice = random();
  await sleep(random() * 20);
  job.result = job.lease!.fence;
  try {
    if (choice < 0.01) process.kill(process.pid, 'SIGKILL');
    else if (choice < 0.12) say({ forgotten: job.id });
    // Not awaited: with every caller waiting nobody could take it over.
    else if (choice < 0.3) hanging.push(comeBackLate(Job, job));
    else if (choice < 0.4) await job.retry({ delayMs: Math.floor(random() * 50), error: new Error('again') });
    else if (choice < 0.45) await job.release();
    else if (choice < 0.52) await job.fail(new Error('no'));
    else if (choice < 0.6) await job.renew().then(() => job.finish());
    else await job.finish();
  } catch (error) {
    // A machine that is this busy may lose a lease by itself.
    if (!(error instanceof LeaseLostError)) throw error;
    say({ lost: job.id });
  }
}

/** Hangs until somebody else has the task, or had it, and then tries everything a holder may do. */
async function comeBackLate(Job: Jobs, job: Job): Promise<void> {
  const { token, fence } = job.lease!;
  const isHeld = () => Job.collection.findOne({ _id: job._id }).then((raw) => String(raw!['_task'].token) === token);
  while (await isHeld()) await sleep(20);

  const { _id } = job;
  job.result = -1;
  const attempts: Record<string, () => Promise<unknown>> = {
    save: () => job.save(),
    finish: () => job.finish(),
    fail: () => job.fail(new Error('late')),
    retry: () => job.retry(),
    release: () => job.release(),
    renew: () => job.renew(),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    const outcome = await attempt().then(
      () => 'accepted',
      (error: Error) => error.name,
    );
    say({ late: String(_id), fence, name, outcome });
  }
}

void main(readInput<Input>());
