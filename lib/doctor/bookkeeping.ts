import type { Filter, RawDocument } from '../definition/definition';
import { indexName, liveFilter } from '../indexes/claim-index';
import { isBookkeeping, misfits } from '../task/bookkeeping';
import { groupBy } from '../values/group';
import { shownId } from '../values/id';
import { counted, readSome } from './bounds';
import type { Check, Exam, Found } from './finding';

/** What the server calls the types that the fields of bookkeeping may have. */
const TYPES: Readonly<Record<string, string | readonly string[]>> = {
  availableAt: 'date',
  dueAt: 'date',
  expiresFrom: 'date',
  startedAt: 'date',
  settledAt: 'date',
  startBy: 'date',
  throttledUntil: 'date',
  firstPushAt: 'date',
  slot: 'date',
  recheckAt: 'date',
  attempts: 'number',
  claims: 'number',
  token: 'objectId',
  aside: 'objectId',
  behind: 'objectId',
  errors: 'array',
  waitingOn: 'array',
  doomedBy: 'array',
  cancel: 'object',
  schedule: 'object',
  lastRun: 'object',
  key: ['string', 'object'],
};

export const bookkeeping: Check = {
  name: 'bookkeeping',
  about: 'what other programs wrote into live tasks fits',
  isOfCollection: true,

  async look(exam: Exam): Promise<Found[]> {
    const odd = await readOdd(exam);
    const byField = groupBy(odd.flatMap(flawsOf), ({ field }) => field);

    return [...byField]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([field, tasks]) => describe(field, tasks));
  },
};

interface Flaw {
  readonly field: string;
  readonly task: RawDocument;
}

function readOdd(exam: Exam): Promise<RawDocument[]> {
  const { definition } = exam;
  const filter = { ...liveFilter(definition), $or: oddities() };
  const hint = indexName(definition, 'claim');

  return readSome(exam, definition.model, 'tasks with bookkeeping that does not fit', {
    filter,
    hint,
    projection: { _task: 1 },
  });
}

function oddities(): Filter[] {
  const isOther = (path: string, types: unknown) => ({ [path]: { $exists: true, $not: { $type: types } } });

  return [isOther('_task', 'object'), ...Object.entries(TYPES).map(([name, types]) => isOther(`_task.${name}`, types))];
}

function flawsOf(task: RawDocument): Flaw[] {
  const fields: unknown = task['_task'];
  if (!isBookkeeping(fields)) return [{ field: '_task', task }];

  return misfits(fields).map((name) => ({ field: `_task.${name}`, task }));
}

function describe(field: string, flaws: readonly Flaw[]): Found {
  const ids = flaws.slice(0, 3).map(({ task }) => shownId(task._id));
  const which = `${counted(flaws.length, 'task')} with a \`${field}\` of a wrong type: ${ids.join(', ')}${flaws.length > 3 ? ', …' : ''}`;
  if (field === '_task.availableAt')
    return {
      text: which,
      hint: 'Most such values are never due. Set a date: `{ $set: { "_task.availableAt": new Date() } }`.',
      severity: 'error',
    };

  return {
    text: which,
    hint: 'It counts as not there. Another program wrote it: look at which, and unset it.',
    severity: 'warning',
  };
}
