import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection } from 'mongoose';
import { Worker } from 'mongoose-task-queue';
import { makeShift } from '../shift';
import { readInput, say } from './talk';

interface Input {
  uri: string;
  leaseMs: number;
  concurrency: number;
  stopTimeoutMs: number;
}

/** A worker as it runs in production: ended by SIGTERM, or by what its tasks do to it. */
async function main({ uri, leaseMs, ...options }: Input): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Shift = makeShift(connection, leaseMs);
  const worker = new Worker(Shift, {
    ...options,
    pollMs: 20,
    handleSignals: true,
    async handler(shift, { signal }) {
      const { attempt, until } = shift.lease!;
      say({ started: shift.id, attempt, at: until.getTime() - leaseMs });
      if (shift.kind === 'kill') process.kill(process.pid, 'SIGKILL');
      if (shift.kind === 'block') block(shift.ms ?? 0);
      await sleep(shift.kind === 'block' ? 0 : (shift.ms ?? 0), undefined, { signal });
      shift.doneBy = process.pid;
    },
  });
  for (const name of ['finished', 'released'] as const) worker.on(name, (shift) => say({ [name]: shift.id }));
  for (const name of ['retried', 'failed', 'lost'] as const)
    worker.on(name, (shift, error) => say({ [name]: shift.id, error: (error as Error | undefined)?.name }));
  worker.on('error', (error) => say({ error: String(error) }));
  worker.on('stopped', () => void connection.close());
  await worker.start();
  say({ ready: true });
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

void main(readInput<Input>());
