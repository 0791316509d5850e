import type { RawDocument } from '../definition/definition';
import { ofKind } from '../definition/kind';
import { hasDependencies } from '../dependencies/references';
import { State } from '../fields';
import { indexName, liveFilter } from '../indexes/claim-index';
import { serverNow } from '../server/clock';
import { readBookkeeping } from '../task/bookkeeping';
import { sleep } from '../timers';
import { NEVER } from '../values/check';
import { shownId } from '../values/id';
import { recheckNow } from '../waiting/recheck';
import { counted, LOOK_AGAIN_MS, readSome } from './bounds';
import type { Check, Exam, Found } from './finding';
import { unmarked } from './unmarked';

/** A re-check that is due for longer is late, in milliseconds: any pop makes those that are due. */
const LATE_MS = 60_000;

export const waiting: Check = {
  name: 'waiting',
  about: 'parked tasks are found by a change of what they wait for',
  isOfCollection: true,

  async look(exam: Exam): Promise<Found[]> {
    const { definition, isPartial } = exam;
    const lost = await readLost(exam);
    if (isPartial || !hasDependencies(definition.model)) return [...lost, ...(isPartial ? [] : await foreign(exam))];

    const parked = await readParked(exam);
    const now = await serverNow(definition.model);
    const recheckOf = ({ _task: task }: RawDocument) => readBookkeeping(task).recheckAt;
    const isLate = (task: RawDocument) => (recheckOf(task)?.getTime() ?? Infinity) < now.getTime() - LATE_MS;
    const found = [
      await repaired(
        exam,
        await stillUnmarked(exam, parked),
        async (tasks) => (await stillUnmarked(exam, tasks)).length,
        {
          text: (count) => `${counted(count, 'parked task')} waiting for documents that do not carry their mark`,
          hint: 'Only re-checks find their change, up to an hour late. A lost mark is set again by the next re-check, or by `--fix`; where it comes back, the user of the connection may not `update` there, or it is a view.',
          severity: 'error',
        },
      ),
      await repaired(
        exam,
        parked.filter((task) => !recheckOf(task)),
        countWithout,
        {
          text: (count) => `${counted(count, 'parked task')} without a re-check`,
          hint: 'What no mark tells, such as the end of a document that was deleted, will not be noticed. `--fix` looks at them now.',
          severity: 'error',
        },
      ),
      await repaired(exam, parked.filter(isLate), async (tasks) => tasks.filter(isLate).length, {
        text: (count) => `${counted(count, 'parked task')} with a re-check that is late`,
        hint: `Re-checks go with pops: start a worker of ${definition.model.modelName}. \`--fix\` looks at them now.`,
        severity: 'warning',
      }),
    ];

    return [...lost, ...found.flat()];
  },
};

interface Wording extends Pick<Found, 'hint' | 'severity'> {
  text(count: number): string;
}

/** A finding about these tasks, which are re-checked with `fix`; `left` counts those that are as before. */
async function repaired(
  exam: Exam,
  tasks: readonly RawDocument[],
  left: (tasks: readonly RawDocument[]) => Promise<number>,
  { text, ...wording }: Wording,
): Promise<Found[]> {
  if (tasks.length === 0) return [];
  const examples = tasks.slice(0, 3).map(({ _id }) => shownId(_id));
  const found = { text: `${text(tasks.length)}: ${examples.join(', ')}${tasks.length > 3 ? ', …' : ''}`, ...wording };
  if (!exam.fix) return [found];
  await recheckNow(
    exam.definition,
    tasks.map(({ _id }) => _id as unknown),
  );

  return [{ ...found, fixed: (await left(await again(exam, tasks))) === 0 }];
}

async function countWithout(tasks: readonly RawDocument[]): Promise<number> {
  return tasks.filter(({ _task: task }) => !readBookkeeping(task).recheckAt).length;
}

/** Between the parking of a task and its marks there is a moment: what is looked at twice is no such moment. */
async function stillUnmarked(exam: Exam, parked: readonly RawDocument[]): Promise<RawDocument[]> {
  const first = await unmarked(exam.definition, parked);
  if (first.length === 0) return [];
  await sleep(LOOK_AGAIN_MS);

  return unmarked(exam.definition, await again(exam, first));
}

const FIELDS = { '_task.recheckAt': 1, '_task.waitingOn': { $slice: 100 } } as const;

function readParked(exam: Exam): Promise<RawDocument[]> {
  const { model, options, kind } = exam.definition;
  const filter = {
    '_task.waitingOn': { $exists: true },
    [options.fields.state]: State.CREATED,
    ...ofKind(kind),
  };

  return readSome(exam, model, 'parked tasks', { filter, projection: FIELDS, hint: 'task_waiting' });
}

/** These tasks as they are now, as far as they are parked. */
async function again(exam: Exam, tasks: readonly RawDocument[]): Promise<RawDocument[]> {
  const { model, options } = exam.definition;
  const filter = {
    _id: { $in: tasks.map(({ _id }) => _id as unknown) },
    '_task.waitingOn': { $exists: true },
    [options.fields.state]: State.CREATED,
  };

  return readSome({ note: () => {} }, model, '', { filter, projection: FIELDS });
}

/** Parked tasks of a model without dependencies: nobody wakes them. */
async function foreign(exam: Exam): Promise<Found[]> {
  const { definition } = exam;
  const filter = { ...liveFilter(definition), '_task.waitingOn': { $exists: true } };
  const found = await readSome(exam, definition.model, 'parked tasks', {
    filter,
    projection: { _id: 1 },
    hint: indexName(definition, 'claim'),
  });
  if (found.length === 0) return [];

  return [
    {
      text: `${counted(found.length, 'parked task')} although the model has no dependency: ${shownId(found[0]!._id)}`,
      hint: 'Nobody wakes them: the program that declares the dependency has to work them, or a later version dropped it. Take off `_task.waitingOn`, and set `_task.availableAt` to now.',
      severity: 'error',
    },
  ];
}

/** Tasks that are put off for ever, and by nothing. */
async function readLost(exam: Exam): Promise<Found[]> {
  const { definition } = exam;
  const filter = {
    ...liveFilter(definition),
    [definition.options.fields.state]: State.CREATED,
    '_task.availableAt': { $gte: NEVER },
    '_task.waitingOn': { $exists: false },
    '_task.schedule': { $exists: false },
  };
  const hint = indexName(definition, 'claim');
  const found = await readSome(exam, definition.model, 'tasks that are put off for ever', {
    filter,
    projection: { _id: 1 },
    hint,
  });
  if (found.length === 0) return [];

  return [
    {
      text: `${counted(found.length, 'task')} put off for ever although it waits for nothing: ${shownId(found[0]!._id)}`,
      hint: 'Another program took off what it waited for. Set `_task.availableAt` to now.',
      severity: 'error',
    },
  ];
}
