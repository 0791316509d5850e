import type { TaskDetails } from '../inspect/answers';
import { detailsOf } from '../inspect/details';
import { serverNow } from '../server/clock';
import { type Command, taskNamed, viewOf } from './context';
import type { Output } from './terminal';
import { time } from './words';
import { plainId } from './list';

/** All that is known of one task. */
export const showCommand: Command = async (context, [id = '']) => {
  const { model, raw } = await taskNamed(context, id);
  const details = await detailsOf(viewOf(context), model, raw._id);
  const now = await serverNow(model);
  context.out.answer({ model: model.modelName, ...details }, () => shown(context.out, model.modelName, details, now));

  return 0;
};

function shown({ paint }: Output, model: string, details: TaskDetails, now: Date): string {
  const { row, fields, life, failures, progress, schedule, key, lease, blockedBy } = details;
  const facts: (readonly [string, string | null])[] = [
    ['state', row.state],
    ['priority', String(row.priority)],
    ['category', row.category],
    ['key', key],
    ['attempts', String(row.attempts)],
    ['due', row.dueAt && time(row.dueAt, now)],
    ['held until', lease && `${time(lease.until, now)}${lease.holder === null ? '' : ` by ${lease.holder}`}`],
    ['progress', progress === null || progress === undefined ? null : JSON.stringify(progress)],
    ['schedule', schedule && `${schedule.text}, next ${schedule.next[0] ? time(schedule.next[0], now) : 'never'}`],
  ];
  const last = failures.at(-1);

  return [
    `${paint.bold(model)} ${plainId(row.id)}`,
    ...facts.flatMap(([name, value]) => (value === null ? [] : [`  ${paint.dim(name.padEnd(11))} ${value}`])),
    ...block(
      'fields',
      Object.entries(fields).map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
    ),
    ...block(
      'life',
      life.map(({ at, text, by }) => `${at} ${text}${by === undefined ? '' : ` by ${by}`}`),
    ),
    ...block('last error', last ? (last.stack ?? last.message).split('\n') : []),
    ...block(
      'waits for',
      blockedBy.map(({ text }) => text),
    ),
  ].join('\n');

  function block(title: string, lines: readonly string[]): string[] {
    return lines.length === 0 ? [] : [paint.dim(`  ${title}`), ...lines.map((line) => `    ${line}`)];
  }
}
