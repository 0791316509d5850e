import { createConnection } from 'mongoose';
import { serveBoard } from './board';
import { taskModel } from './tasks';

const VIEWERS = 5;
/** The page asks again after a change, but not more often. */
const EVERY_MS = 1_000;

/** The dashboard in a process of its own, and people who look at the overview and the list of tasks. It ends with the process that started it. */
async function main(uri: string): Promise<void> {
  const connection = await createConnection(uri, { autoCreate: false, autoIndex: false }).asPromise();
  const origin = `${(await serveBoard(taskModel(connection))).origin}/api`;
  process.once('disconnect', () => process.exit());
  await ask(origin);
  for (let viewer = 0; viewer < VIEWERS; viewer++) void follow(origin);
  process.send!('ready');
}

async function follow(origin: string): Promise<void> {
  const { body } = await fetch(`${origin}/events`);
  let isBusy = false;
  for await (const _ of body!) {
    if (isBusy) continue;
    isBusy = true;
    void ask(origin).then(() => setTimeout(() => (isBusy = false), EVERY_MS));
  }
}

async function ask(origin: string): Promise<void> {
  await Promise.all(
    ['overview', 'tasks?model=Task'].map((path) => fetch(`${origin}/${path}`).then((one) => one.text())),
  );
}

void main(process.argv[2]!);
