import { mongo } from 'mongoose';
import { type AnyModel, type Definition, definitionOf, type Filter } from '../definition/definition';
import { castFilter } from '../definition/filter';
import { ofKind } from '../definition/kind';
import { InvalidOptionError } from '../errors';
import { State } from '../fields';
import { indexName, liveFilter } from '../indexes/claim-index';
import { NEVER } from '../values/check';
import { shown } from '../values/check';
import { isPlain } from '../values/writable';
import { parseFilter } from './operators';
import type { View } from './view';
import { parseWords } from './words';

/** Which tasks are meant: those in a state that match a search. */
export interface Search {
  /** A state, or `ready`, `delayed` or `blocked`. Default: all that have not ended. */
  readonly state?: string | undefined;
  /** Query words, or a filter as JSON. Default: all. */
  readonly q?: string | undefined;
}

/** A search as the server takes it. */
export interface Query {
  readonly filter: Filter;
  /** The paths that the search names. */
  readonly paths: readonly string[];
  readonly sort: Readonly<Record<string, 1 | -1>>;
  /** Of a state without a search: the index that serves filter and order. */
  readonly hint: string | undefined;
  /** What is looked at where all of it takes too long. */
  readonly first: First;
}

/** The first tasks of a state, in which a search is made instead. */
export interface First {
  readonly filter: Filter;
  readonly search: Filter;
  /** Undefined where the state has no index: then they are taken as they are stored. */
  readonly hint: string | undefined;
  readonly sort: Query['sort'];
  readonly what: string;
}

const MAX_SEARCH = 10_000;
const ANY_PRIORITY = { $gte: new mongo.MinKey() };

/** @throws {InvalidOptionError} for an unknown state, or a search that is not allowed. */
export function queryOf(view: View, model: AnyModel, { state = '', q = '' }: Search, now: Date): Query {
  const definition = definitionOf(model);
  const { sort, hint, ...inState } = stateFilter(definition, state, now);
  const search = searchOf(view, model, q.trim(), now);
  const { filter, what = 'in this state' } = inState.held ?? inState;
  const first = { filter, search: search ?? {}, sort, hint, what };
  if (!search) return { filter: inState.filter, paths: [], sort, hint, first };

  return { filter: { $and: [inState.filter, search] }, paths: pathsIn(search), sort, hint: undefined, first };
}

function searchOf(view: View, model: AnyModel, q: string, now: Date): Filter | null {
  if (q === '') return null;
  if (q.length > MAX_SEARCH) throw new InvalidOptionError(`Expected a search of at most ${MAX_SEARCH} characters.`);
  const given = q.startsWith('{') ? parseFilter(view, model, q) : parseWords(view, model, q, now);

  return cast(model, given);
}

/** Casts by the schema all but what is the queue's, which is in no schema. */
function cast(model: AnyModel, filter: Filter): Filter {
  const joined = ['$and', '$or', '$nor'].filter((name) => Array.isArray(filter[name]));
  const own = Object.entries(filter).filter(([name]) => !joined.includes(name));
  const all = joined.map((name) => [name, (filter[name] as Filter[]).map((one) => cast(model, one))]);

  return { ...(own.length > 0 && castFilter(model, Object.fromEntries(own), 'search')), ...Object.fromEntries(all) };
}

interface InState extends Omit<Query, 'paths' | 'first'> {
  /** Of running tasks: those whose lease lasts, which are found beside any number that wait. */
  readonly held?: { readonly filter: Filter; readonly what: string };
  readonly what?: string;
}

function stateFilter(definition: Definition, state: string, now: Date): InState {
  const { options, kind, model } = definition;
  const { state: path, priority } = options.fields;
  const own = ofKind(kind);
  const claim = indexName(definition, 'claim');
  const order = { [priority]: -1, '_task.availableAt': 1, _id: 1 } as const;
  const created = (availableAt: object) => ({
    filter: { [path]: State.CREATED, ...own, [priority]: ANY_PRIORITY, ...availableAt },
    sort: order,
    hint: claim,
  });

  switch (state) {
    case '':
      return { filter: liveFilter(definition), sort: order, hint: claim };
    case 'ready':
      return created({ $expr: { $lte: ['$_task.availableAt', '$$NOW'] } });
    case 'delayed':
      return created({ '_task.availableAt': { $gt: now, $lt: NEVER } });
    case 'blocked':
      return created({ '_task.availableAt': { $gte: NEVER }, '_task.waitingOn': { $exists: true } });
    case State.CREATED:
      return { filter: { [path]: state, ...own }, sort: order, hint: claim };
    case State.RUNNING: {
      const filter = { [path]: state, ...own };
      const lasting = { ...filter, [priority]: ANY_PRIORITY, '_task.availableAt': { $gt: now } };
      return { filter, sort: order, hint: claim, held: { filter: lasting, what: 'whose lease lasts' } };
    }
    case State.FAILED:
    case State.CANCELLED:
      return {
        filter: { [path]: state, ...own },
        sort: { '_task.settledAt': -1 },
        hint: indexName(definition, 'ended'),
      };
    case State.FINISHED:
    case State.PENDING:
      return { filter: { [path]: state, ...own }, sort: { _id: -1 }, hint: undefined };
    default:
      throw new InvalidOptionError(
        `Expected a state, got ${shown(state)}. ${model.modelName} has ${Object.values(State).join(', ')}, ready, delayed, blocked.`,
      );
  }
}

/** All paths that a filter names. */
function pathsIn(filter: Filter): string[] {
  return Object.entries(filter).flatMap(([name, value]) =>
    name.startsWith('$') && Array.isArray(value) ? value.filter(isPlain).flatMap(pathsIn) : [name],
  );
}
