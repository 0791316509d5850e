import { type AnyModel, definitionOf, type RawDocument } from '../definition/definition';
import { State } from '../fields';
import { indexName, liveFilter } from '../indexes/claim-index';
import { keyText } from '../indexes/key-index';
import { connected, serverNow } from '../server/clock';
import { only } from '../server/read';
import type { ScheduleRow } from './answers';
import { readBounded, TooSlowError } from './bounded';
import { idText, labelOf } from './ids';
import { shownSchedule } from './schedule';
import { inLine, isoOf } from './shown';
import { storedIn } from './stored';
import type { View } from './view';

/** At most so many are listed for a model. */
const MAX_SCHEDULES = 200;
/** A recurring task that is due for so long, in milliseconds, and has not begun is overdue. */
const OVERDUE_MS = 5 * 60_000;

/** The recurring tasks of a model, which all have a key. */
export async function schedulesOf(view: View, model: AnyModel): Promise<ScheduleRow[]> {
  await connected(model);
  const definition = definitionOf(model);
  const { fields } = definition.options;
  const names = ['key', 'schedule', 'dueAt', 'availableAt', 'lastRun', 'errors', 'waitingOn'];
  const find = {
    filter: { ...liveFilter(definition), '_task.key': { $exists: true }, '_task.schedule': { $exists: true } },
    projection: { ...only([fields.state, ...names.map((name) => `_task.${name}`)]), '_task.errors': { $slice: -1 } },
    limit: MAX_SCHEDULES,
  };
  // Without the index of keys, there may be few tasks all the same.
  const hinted = { ...find, hint: indexName(definition, 'key') };
  const found = await readBounded(model, hinted).catch((error: unknown) => {
    if (!(error instanceof TooSlowError)) throw error;
    return readBounded(model, find);
  });
  const now = await serverNow(model);

  return found.flatMap((raw) => scheduleRow(view, model, raw, now));
}

function scheduleRow(view: View, model: AnyModel, raw: RawDocument, now: Date): ScheduleRow[] {
  const { state, task } = storedIn(model, raw);
  const { schedule, lastRun, errors, key, dueAt } = task;
  if (!schedule) return [];
  const failure = lastRun?.state === State.FAILED ? errors?.at(-1)?.message : undefined;

  return [
    {
      model: model.modelName,
      id: idText(raw._id),
      label: labelOf(raw._id),
      key: view.isHidden(model, '_task.key') ? null : (keyText(key) ?? null),
      ...shownSchedule(schedule, task, now),
      state,
      lastResult: lastRun ? `${lastRun.state}${failure === undefined ? '' : `: ${inLine(failure, 200)}`}` : null,
      lastAt: isoOf(lastRun?.at),
      overdue: state === State.CREATED && dueAt !== undefined && now.getTime() - dueAt.getTime() > OVERDUE_MS,
    },
  ];
}
