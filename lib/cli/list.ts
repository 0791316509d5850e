import type { TaskPage, TaskRow } from '../inspect/answers';
import { listTasks } from '../inspect/list';
import { serverNow } from '../server/clock';
import { type Command, type Context, ofEach, viewOf, withoutKinds } from './context';
import type { Cell } from './terminal';
import { count, distance } from './words';
import { stateNamed, wholeNumber } from './options';

export interface ListOptions {
  readonly state?: string;
  readonly limit?: string;
  readonly sort?: string;
  readonly after?: string;
}

/** Tasks in a state that match query words. */
export const listCommand: Command<ListOptions> = async (context, words, options) => {
  const { out } = context;
  const limit = wholeNumber('limit', options.limit ?? '20', 1, 200);
  const view = viewOf(context);
  const search = { state: stateNamed(options.state), q: words.join(' '), sort: options.sort, after: options.after };
  const pages = await ofEach(context, withoutKinds(context.models), async (model) => ({
    page: await listTasks(view, model, { ...search, limit }),
    now: await serverNow(model),
  }));

  out.answer(
    pages.map(({ model, result }) => ({ model: model.modelName, ...result.page })),
    () => pages.map(({ model, result }) => shownPage(context, model.modelName, result)).join('\n\n'),
  );
  return 0;
};

function shownPage(
  { out, models }: Context,
  model: string,
  { page, now }: { readonly page: TaskPage; readonly now: Date },
): string {
  const { value, more } = page.count;
  const shown = page.rows.length < value || more ? `, the first ${count(page.rows.length)}` : '';
  const title = `${out.paint.bold(model)}: ${more ? 'more than ' : ''}${count(value, 'task')}${shown}`;
  const lines = [title];
  if (page.rows.length > 0)
    lines.push(
      out.table(
        ['id', 'state', 'prio', 'due', 'tries', 'what'],
        page.rows.map((row) => cells(row, now)),
        ['prio', 'tries'],
      ),
    );
  if (page.next !== null)
    lines.push(out.paint.dim(`more: --after ${page.next}${models.length > 1 ? ` --model ${model}` : ''}`));
  if (page.plan.warning !== null) lines.push(out.paint.yellow(page.plan.warning));

  return lines.join('\n');
}

function cells(row: TaskRow, now: Date): Cell[] {
  const { id, state, priority, dueAt, settledAt, attempts, summary, reason } = row;
  const what = [reason, summary].filter(Boolean).join(' · ');

  return [plainId(id), state, priority, distance(settledAt ?? dueAt, now), attempts, what];
}

/** An id as it can be given to the other commands. */
export function plainId(id: string): string {
  const value = JSON.parse(id) as unknown;
  if (typeof value === 'string') return value;
  const { $oid: oid, $numberInt: int } = (value ?? {}) as { $oid?: string; $numberInt?: string };

  return oid ?? int ?? id;
}
