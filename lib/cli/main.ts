import { setTimeout } from '../timers';
// The program of `npx mongoose-task-queue`. All of it is bundled but for Mongoose and the library, which the models that it loads use as well.
import { run } from './run';

/** What a required file left running, such as a worker or a timer, may take so long, in milliseconds. */
const MAX_WAIT_MS = 1_000;

void run(process.argv.slice(2), process).then((code) => {
  process.exitCode = code;
  // Not at once: what was written to a pipe may still be on its way.
  setTimeout(() => process.exit(), MAX_WAIT_MS).unref();
});
