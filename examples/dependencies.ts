// A build pipeline: compile, test on three platforms, publish when all tests are done, notify when any has failed.
// Run it with: npm run example -- dependencies
import { connect, disconnect, model, Schema, Types } from 'mongoose';
import { DependencyType, taskQueue } from 'mongoose-task-queue';

const { ObjectId } = Schema.Types;

const Compile = model('Compile', taskQueue(new Schema({ commit: String })));

const Test = model(
  'Test',
  taskQueue(
    new Schema({ platform: String, compile: { type: ObjectId, ref: 'Compile', dependsOn: DependencyType.DIRECT } }),
  ),
);

const Publish = model(
  'Publish',
  taskQueue(new Schema({ tests: [{ type: ObjectId, ref: 'Test' }] }), {
    dependencies: { tests: { type: DependencyType.ALL_OF, onFailed: 'fail' } },
  }),
);

const Notify = model(
  'Notify',
  taskQueue(new Schema({ failed: [{ type: ObjectId, ref: 'Test' }] }), {
    // Other words than FINISHED: any of the tests being FAILED lets it run.
    dependencies: { failed: { type: DependencyType.ANY_OF, when: { state: 'FAILED' } } },
  }),
);

async function build(commit: string, broken: string | null) {
  const compile = await Compile.push({ commit });
  const tests = await Test.push(['linux', 'macos', 'windows'].map((platform) => ({ platform, compile: compile._id })));
  const ids = tests.map(({ _id }): Types.ObjectId => _id);
  const publish = await Publish.push({ tests: ids });
  const notify = await Notify.push({ failed: ids });

  console.log(`build ${commit}`);
  console.log('  ready before the compile:', (await Test.stats()).ready);
  await (await Compile.pop())?.finish();

  for (let test = await Test.pop(); test; test = await Test.pop()) {
    if (test.platform === broken) await test.fail(new Error('3 specs failed'));
    else await test.finish();
    console.log(`  tested on ${test.platform}: ${test.state}`);
  }

  const published = await Publish.pop();
  if (published) await published.finish();
  const notified = await Notify.pop();
  if (notified) await notified.finish();
  console.log('  published:', published !== null, '- notified:', notified !== null);

  // Nobody has to run: the publishing failed with its test, and says with which.
  const outcome = await Publish.findById(publish);
  if (outcome?.state === 'FAILED') console.log(' ', outcome.failures[0]?.message.replace(/[0-9a-f]{24}/, '…'));
  if (!notified) await notify.deleteOne();
}

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/build-pipeline');
  for (const type of [Compile, Test, Publish, Notify]) await type.collection.deleteMany({});

  await build('a1b2c3', null);
  await build('d4e5f6', 'windows');
  await disconnect();
}

void main();
