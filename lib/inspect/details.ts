import { type AnyModel, definitionOf } from '../definition/definition';
import { State } from '../fields';
import { keyText } from '../indexes/key-index';
import { serverNow } from '../server/clock';
import type { Bookkeeping } from '../task/bookkeeping';
import type { Action, TaskDetails } from './answers';
import { blockersOf } from './blockers';
import { holdersOf } from './crew';
import { editablePaths } from './fields';
import { failuresIn, lifeOf } from './life';
import { rowOf } from './row';
import { shownSchedule } from './schedule';
import { isoOf, Shower } from './shown';
import { readStored } from './stored';
import type { View } from './view';

/** All that is known of one task, and what may be done with it in its state. */
export async function detailsOf(view: View, model: AnyModel, id: unknown): Promise<TaskDetails> {
  const { raw, state, task } = await readStored(model, id);
  const { fields } = definitionOf(model).options;
  const now = await serverNow(model);
  const holders = state === State.RUNNING ? await holdersOf(model) : undefined;
  const row = rowOf(view, model, raw, holders);
  const shower = new Shower(view, model);
  const isHeld = state === State.RUNNING;
  const isShown = (name: string) => !view.isHidden(model, `_task.${name}`);

  return {
    row,
    fields: shower.fields(raw, new Set(['_task', ...Object.values(fields)])),
    editable: isHeld ? [] : editablePaths(view, model),
    life: lifeOf(state, task, row.createdAt, row.holder),
    failures: failuresIn(task),
    progress: task.progress === undefined ? null : shower.value(task.progress, '_task.progress'),
    schedule: task.schedule ? shownSchedule(task.schedule, task, now) : null,
    key: isShown('key') ? (keyText(task.key) ?? null) : null,
    lease: isHeld && task.availableAt ? { until: isoOf(task.availableAt) ?? '', holder: row.holder } : null,
    blockedBy: await blockersOf(view, model, raw._id),
    actions: actionsFor(state, task, now),
  };
}

/** What can be done with a task in its state. */
export function actionsFor(state: string, task: Bookkeeping, now: Date): Action[] {
  const scheduled: Action[] = task.schedule ? ['unschedule'] : [];
  switch (state) {
    case State.RUNNING:
      return ['cancel', ...scheduled];
    case State.CREATED: {
      const isDelayed = task.availableAt !== undefined && task.availableAt > now && !task.waitingOn;
      return [...(isDelayed ? (['run'] as const) : []), 'edit', 'cancel', 'delete', ...scheduled];
    }
    case State.FAILED:
      return ['retry', 'requeue', 'edit', 'delete'];
    case State.CANCELLED:
    case State.FINISHED:
      return ['requeue', 'edit', 'delete'];
    default:
      return ['edit', 'delete'];
  }
}
