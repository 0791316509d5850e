import type { Types } from 'mongoose';
import { letGoIfEnded } from '../claim/behind';
import type { Definition, RawDocument } from '../definition/definition';
import { ofSharedIndex } from '../definition/kind';
import { LIVE_STATES, State } from '../fields';
import { indexName } from '../indexes/claim-index';
import { keyText, liveOf } from '../indexes/key-index';
import { serverNow } from '../server/clock';
import { readBookkeeping } from '../task/bookkeeping';
import { sleep } from '../timers';
import { keyOf } from '../values/id';
import { counted, LOOK_AGAIN_MS, readSome } from './bounds';
import type { Check, Exam, Found } from './finding';

export const keys: Check = {
  name: 'keys',
  about: 'no task waits behind one of its key that is gone',
  isOfCollection: true,

  async look(exam: Exam): Promise<Found[]> {
    const first = await held(exam);
    if (first.length === 0) return [];
    // Who ends a task lets its successor go a moment later.
    await sleep(LOOK_AGAIN_MS);
    const left = await both(exam, first);
    if (left.length === 0) return [];

    const ids = left.map(({ key }) => JSON.stringify(key)).slice(0, 3);
    const found: Found = {
      text: `${counted(left.length, 'task')} held back by a task of the same key that has ended or is gone: ${ids.join(', ')}`,
      hint: 'It starts by itself when the lease of that one would have ended; `--fix` lets it start now.',
      severity: 'warning',
    };
    if (!exam.fix) return [found];
    for (const { key, behind } of left) await letGoIfEnded(exam.definition, key, behind);

    return [{ ...found, fixed: (await both(exam, left)).length === 0 }];
  },
};

interface Successor {
  readonly id: unknown;
  readonly key: string;
  /** The name of the task that it waits for. */
  readonly behind: Types.ObjectId;
}

/** Of these successors, those that still wait for nobody. */
async function both(exam: Exam, before: readonly Successor[]): Promise<Successor[]> {
  const again = await held(exam);

  return again.filter((one) =>
    before.some(({ id, behind }) => keyOf(id) === keyOf(one.id) && behind.equals(one.behind)),
  );
}

async function held(exam: Exam): Promise<Successor[]> {
  const { definition } = exam;
  const now = await serverNow(definition.model);
  const successors = (
    await readKeyed(exam, { '_task.key': { $exists: true }, '_task.behind': { $exists: true } })
  ).flatMap((task) => successorIn(definition, task, now));
  const forms = successors.map(({ key }) => ({ running: key }));
  const asides = forms.length === 0 ? [] : await readKeyed(exam, liveOf(definition, ...forms));
  const alive = new Set(asides.map(({ _task: task }) => keyOf(readBookkeeping(task).aside)));

  return successors.filter(({ behind }) => !alive.has(keyOf(behind)));
}

function readKeyed(exam: Exam, filter: Record<string, unknown>): Promise<RawDocument[]> {
  const { model, options } = exam.definition;
  const { state } = options.fields;
  const live = { [state]: { $in: [...LIVE_STATES] }, ...ofSharedIndex(exam.definition) };
  const bookkeeping = ['key', 'aside', 'behind', 'availableAt'].map((name) => [`_task.${name}`, 1]);
  const projection = { [state]: 1, ...(Object.fromEntries(bookkeeping) as Record<string, 1>) } as const;
  const hint = indexName(exam.definition, 'key');

  return readSome(exam, model, 'tasks with keys', { filter: { ...live, ...filter }, projection, hint });
}

function successorIn({ options }: Definition, task: RawDocument, now: Date): Successor[] {
  const { key, behind, availableAt = now } = readBookkeeping(task['_task']);
  const text = keyText(key);
  // One that is due is looked at by its claim.
  const isKept = task[options.fields.state] === State.CREATED && availableAt > now;

  return behind && text !== undefined && isKept ? [{ id: task._id, key: text, behind }] : [];
}
