// A workflow that is made while it runs: a video is split, its parts are encoded and joined, and what is left is cleaned up however it ends.
// Needs a replica set. Run it with: npm run example -- workflow
import { once } from 'node:events';
import mongoose, { connect, disconnect, model, Schema } from 'mongoose';
import { taskQueue, UnrecoverableError, Worker } from 'mongoose-task-queue';

const { ObjectId } = Schema.Types;
const over = { state: { $in: ['FINISHED', 'FAILED', 'CANCELLED'] } };

const Split = model('Split', taskQueue(new Schema({ video: { type: String, required: true } })));
const Encode = model('Encode', taskQueue(new Schema({ video: { type: String, required: true }, part: Number })));
const Join = model(
  'Join',
  taskQueue(new Schema({ video: { type: String, required: true }, parts: [{ type: ObjectId, ref: 'Encode' }] }), {
    dependencies: { parts: { type: 'ALL_OF', onFailed: 'fail' } }, // all parts, or it fails with the first that does
  }),
);
const CleanUp = model(
  'CleanUp',
  taskQueue(new Schema({ video: { type: String, required: true }, join: { type: ObjectId, ref: 'Join' } }), {
    dependencies: { join: { type: 'DIRECT', when: over } }, // however it ended
  }),
);

let isBroken = true;

const splitter = new Worker(Split, {
  // The next steps and the end of this one are one transaction: run again after a crash, it makes no second parts.
  handler: (split) =>
    mongoose.connection.transaction(async (session) => {
      const { video } = split;
      const parts = await Encode.push(
        [1, 2, 3].map((part) => ({ video, part })),
        { session },
      );
      const join = await Join.push({ video, parts: parts.map(({ _id }) => _id) }, { session });
      await CleanUp.push({ video, join: join._id }, { session });
      await split.finish({ session });
    }),
});
const encoder = new Worker(Encode, {
  concurrency: 3,
  handler: ({ video, part }) => {
    if (isBroken && video === 'cats' && part === 2) throw new UnrecoverableError('a frame is missing');
  },
});
const joiner = new Worker(Join, { handler: () => {} });
const cleaner = new Worker(CleanUp, { handler: () => {} });

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/workflow');
  for (const type of [Split, Encode, Join, CleanUp]) await type.collection.deleteMany({});
  for (const worker of [splitter, encoder, joiner, cleaner]) await worker.start();

  for (const video of ['dogs', 'cats']) {
    const cleaned = once(cleaner, 'finished');
    await Split.push({ video });
    await cleaned;
    const join = await Join.findOne({ video });
    console.log(`${video}: ${join?.state}`, join?.failures[0]?.message.replace(/[0-9a-f]{24}/, '…') ?? '');
  }

  isBroken = false;
  const joined = once(joiner, 'finished');
  console.log(await Encode.requeue({ video: 'cats' })); // what failed with it is queued again by itself
  await joined;
  console.log(`cats: ${(await Join.findOne({ video: 'cats' }))?.state}`);

  for (const worker of [splitter, encoder, joiner, cleaner]) await worker.stop();
  await disconnect();
}

void main();
