import type { Definition, RawDocument } from '../definition/definition';
import { State } from '../fields';
import { indexName, liveFilter } from '../indexes/claim-index';
import { serverNow } from '../server/clock';
import { type Bookkeeping, readBookkeeping } from '../task/bookkeeping';
import { shownId } from '../values/id';
import { counted, DAY_MS, readSome } from './bounds';
import type { Check, Exam, Found } from './finding';

export const leases: Check = {
  name: 'leases',
  about: 'no task has been running for more than a day',
  isOfCollection: true,

  async look(exam: Exam): Promise<Found[]> {
    const { definition } = exam;
    const { model, options } = definition;
    const now = await serverNow(model);
    const filter = {
      ...liveFilter(definition),
      [options.fields.state]: State.RUNNING,
      '_task.startedAt': { $lt: new Date(now.getTime() - DAY_MS) },
    };
    const hint = indexName(definition, 'claim');
    const projection = { '_task.startedAt': 1, '_task.availableAt': 1 } as const;
    const old = await readSome(exam, model, 'tasks that run', { filter, hint, projection });
    const isHeld = (task: RawDocument) => (bookkeepingOf(task).availableAt ?? now) > now;

    return [
      ...held(old.filter(isHeld)),
      ...abandoned(
        definition,
        old.filter((task) => !isHeld(task)),
      ),
    ];
  },
};

function held(tasks: readonly RawDocument[]): Found[] {
  if (tasks.length === 0) return [];

  return [
    {
      text: `${counted(tasks.length, 'task')} held for more than a day, by renewals: ${shown(tasks)}`,
      hint: 'A handler that hangs is renewed for as long as its process lives. Look at it, give the worker a `timeoutMs`, or `cancel` the task.',
      severity: 'warning',
    },
  ];
}

function abandoned({ model }: Definition, tasks: readonly RawDocument[]): Found[] {
  if (tasks.length === 0) return [];

  return [
    {
      text: `${counted(tasks.length, 'task')} started more than a day ago, whose lease has ended: ${shown(tasks)}`,
      hint: `Nobody takes over: start a worker of ${model.modelName}, or \`resume\` it.`,
      severity: 'warning',
    },
  ];
}

function shown(tasks: readonly RawDocument[]): string {
  const first = tasks
    .slice(0, 3)
    .map((task) => `${shownId(task._id)} since ${bookkeepingOf(task).startedAt?.toISOString()}`);

  return `${first.join(', ')}${tasks.length > 3 ? ', …' : ''}`;
}

function bookkeepingOf({ _task: task }: RawDocument): Bookkeeping {
  return readBookkeeping(task);
}
