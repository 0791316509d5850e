import type { AnyModel } from '../definition/definition';
import { definitionOf, rootOf } from '../definition/definition';
import { ACTIONS } from '../inspect/act';
import { crewRows } from '../inspect/crew';
import { detailsOf } from '../inspect/details';
import { fieldsOf } from '../inspect/fields';
import { graphOf } from '../inspect/graph';
import { historyOf } from '../inspect/history';
import { idOf } from '../inspect/ids';
import { listTasks } from '../inspect/list';
import { worstFirst } from '../inspect/problems';
import { schedulesOf } from '../inspect/schedules';
import { wallClock } from '../timers';
import { requireInteger } from '../values/check';
import type { Access } from './access';
import { answer, Refusal } from './answer';
import type { About, AboutModel, Action, History, Overview, Schedules, TaskDetails, TaskPage, Workers } from './api';
import type { Board } from './board';
import { packageVersion } from './version';

/** A request to read. */
export interface Asked {
  readonly board: Board;
  readonly access: Access;
  readonly query: URLSearchParams;
}

/** What can be read, by name: each asks for the rights that it needs. */
export const READS: Readonly<Record<string, (asked: Asked) => Promise<unknown>>> = {
  about,
  overview,
  tasks,
  task,
  graph,
  schedules,
  workers,
  history,
};

/** The events of what the caller may see. */
export async function eventsAnswer({ board, access }: Asked): Promise<Response> {
  const visible = await access.requireAny();

  return answer(board.hub.join(visible), 200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    // A proxy that collects an answer before it sends it on would keep the events back.
    'x-accel-buffering': 'no',
  });
}

/** @throws {Refusal} for a model that is not here, or may not be seen. */
export async function visibleModel(
  { board, access }: Pick<Asked, 'board' | 'access'>,
  name: unknown,
): Promise<AnyModel> {
  // Who may see nothing does not learn which models there are.
  await access.requireAny();
  const model = board.options.view.model(name);
  if (!model) throw new Refusal(404, 'no-such-model', `There is no model \`${String(name)}\` here.`);
  await access.require('view', model);

  return model;
}

async function about({ board, access }: Asked): Promise<About> {
  const { title, readOnly, view } = board.options;
  const models = await Promise.all((await access.requireAny()).map((model) => aboutModel(model)));

  return { title, readOnly, version: packageVersion(), now: now(), models };

  async function aboutModel(model: AnyModel): Promise<AboutModel> {
    const root = rootOf(model);
    const { options } = definitionOf(model);
    const values = (model.schema.path(options.fields.category) as { enumValues?: string[] } | undefined)?.enumValues;
    const may = await Promise.all(ACTIONS.map((action) => access.may(action, model)));

    return {
      name: model.modelName,
      collection: model.collection.name,
      kindOf: root === model ? null : root.modelName,
      categories: options.category ? (values ?? []) : null,
      fields: fieldsOf(view, model),
      actions: ACTIONS.filter((action, index) => may[index] && (action === 'view' || !readOnly)),
    };
  }
}

async function overview({ board, access }: Asked): Promise<Overview> {
  const visible = await access.requireAny();
  const looked = await board.reading.pass(() => Promise.all(visible.map((model) => board.queue(model))));

  return {
    now: now(),
    problems: worstFirst(looked.flatMap(({ problems }) => problems)),
    queues: looked.map(({ queue }) => queue),
  };
}

async function tasks(asked: Asked): Promise<TaskPage> {
  const { board, query } = asked;
  const model = await visibleModel(asked, query.get('model'));
  const text = (name: string) => query.get(name) ?? undefined;
  const limit = numberIn(query, 'limit');
  const options = { state: text('state'), q: text('q'), sort: text('sort'), after: text('after'), limit };

  const list = () => listTasks(board.options.view, model, options);

  return board.reading.pass(() => board.shared(JSON.stringify(['tasks', model.modelName, options]), list));
}

async function task(asked: Asked): Promise<TaskDetails> {
  const { board, access, query } = asked;
  const model = await visibleModel(asked, query.get('model'));
  const view = board.options.view.only(await access.visible());
  const id = idOf(model, query.get('id'));
  const details = await board.reading.pass(() => detailsOf(view, model, id));
  const may = async (action: Action) => !board.options.readOnly && access.may(action, model);
  const allowed = await Promise.all(details.actions.map(may));
  const actions = details.actions.filter((_, index) => allowed[index]);

  return { ...details, actions, editable: actions.includes('edit') ? details.editable : [] };
}

async function graph(asked: Asked) {
  const { board, access, query } = asked;
  const model = await visibleModel(asked, query.get('model'));

  const view = board.options.view.only(await access.visible());
  const id = idOf(model, query.get('id'));

  return board.reading.pass(() => graphOf(view, model, id));
}

async function schedules(asked: Asked): Promise<Schedules> {
  const { board, access, query } = asked;
  const name = query.get('model');
  const models = name ? [await visibleModel(asked, name)] : await access.requireAny();
  const rowsOf = (model: AnyModel) =>
    board.shared(JSON.stringify(['schedules', model.modelName]), () => schedulesOf(board.options.view, model));
  const rows = await board.reading.pass(() => Promise.all(models.map(rowsOf)));

  return { rows: rows.flat() };
}

async function workers({ board, access }: Asked): Promise<Workers> {
  const visible = await access.requireAny();
  const name = JSON.stringify(['workers', visible.map(({ modelName }) => modelName)]);

  const rows = () => crewRows(board.options.view.only(visible));

  return { rows: await board.reading.pass(() => board.shared(name, rows)) };
}

async function history(asked: Asked): Promise<History> {
  const { board, query } = asked;
  const model = await visibleModel(asked, query.get('model'));
  const minutes = numberIn(query, 'minutes') ?? 60;
  requireInteger('minutes', minutes, 1, 2_880, 'minutes', '`minutes=60`');

  const name = JSON.stringify(['history', model.modelName, minutes]);

  return { rows: await board.reading.pass(() => board.shared(name, () => historyOf(model, minutes))) };
}

function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);

  return text === null || text === '' ? undefined : Number(text);
}

function now(): string {
  return new Date(wallClock()).toISOString();
}
