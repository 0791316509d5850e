#!/usr/bin/env bash
# A flow of BullMQ whose child has a `jobId` that is in the queue already, as when two reports need the same fetch and shall not do it twice.
# Needs `redis-server`, which it starts for itself on a socket.
#
# Guess: the child is not added again, and the parent waits for the one that is there, whatever its state; or `add()` throws.
# Seen: with BullMQ 6.7.0 it depends on the other parent. A child without one is taken over, or is done already if it has completed. But if it is of
# another flow, `add()` resolves, and the new parent stays in `waiting-children` for ever, also when the child has completed, unless the other
# parent is removed by then: so it works or not by the retention of the first report. For a child that failed before, the parent waits for ever as
# well, in spite of `failParentOnFailure`, which a new child heeds. Issue 1021 of taskforcesh/bullmq has it that a job has one parent only.
set -euo pipefail
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server"; wait "$server" || true; fi; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund bullmq@6.7.0 ioredis@6.0.0 >/dev/null
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --appendonly no >log 2>&1 &
server=$!
until [ -S redis.sock ]; do sleep 0.1; done

found=$(node --input-type=module <<'PROGRAM'
import { FlowProducer, Queue, Worker } from 'bullmq';

const connection = { path: 'redis.sock', maxRetriesPerRequest: null };
const queueName = 'reports';
const queue = new Queue(queueName, { connection });
const flows = new FlowProducer({ connection });
const parents = [];
async function addFlow(title, childId, { name = 'fetch', removeOnComplete = false } = {}) {
  if (!removeOnComplete) parents.push(title);
  const child = { name, queueName, opts: { jobId: childId, failParentOnFailure: true } };
  await flows.add({ name: 'report', queueName, opts: { jobId: title, removeOnComplete }, children: [child] });
}

let idle;
const handler = async ({ name }) => {
  if (name === 'broken fetch') throw new Error('no answer');
  if (name === 'last') setTimeout(idle, 0);
};

// Works until nothing is left but jobs that wait for others: the last job has the lowest priority.
async function work() {
  await queue.add('last', {}, { priority: 1_000_000 });
  const done = new Promise((resolve) => { idle = resolve; });
  const worker = new Worker(queueName, handler, { connection });
  await done;
  await worker.close();
}

await queue.add('fetch', {}, { jobId: 'alone' });
await addFlow('the child waits, without a parent', 'alone');
await addFlow('the child is new', 'shared');
await addFlow('the child waits, for another flow', 'shared');
await queue.add('fetch', {}, { jobId: 'done' });
await addFlow('removed', 'kept', { removeOnComplete: true });
await queue.add('broken fetch', {}, { jobId: 'broken' });
await work();
await addFlow('the child has completed, without a parent', 'done');
await addFlow('the child has completed, for another flow', 'shared');
await addFlow('the child has completed, for another flow, whose parent is removed', 'kept');
await addFlow('the child has failed, without a parent', 'broken', { name: 'broken fetch' });
await addFlow('the child is new, and fails', 'broken too', { name: 'broken fetch' });
await work();
for (const title of parents) console.log(`${title}: ${await queue.getJobState(title)}`);
await flows.close();
await queue.close();
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
the child waits, without a parent: completed
the child is new: completed
the child waits, for another flow: waiting-children
the child has completed, without a parent: completed
the child has completed, for another flow: waiting-children
the child has completed, for another flow, whose parent is removed: completed
the child has failed, without a parent: waiting-children
the child is new, and fails: failed
SEEN
