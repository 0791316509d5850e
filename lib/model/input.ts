import type { ApplyBasicCreateCasting, DeepPartial, QueryFilter, Types } from 'mongoose';
import type { State } from '../fields';

/**
 * A model whose documents are `Doc`, stored as `Raw`. Structural on purpose: two methods tell the compiler all that the
 * verbs need, where comparing with a whole `Model` is slow and fails for some models.
 */
export interface ModelOf<Doc, Raw = unknown> {
  hydrate(stored: never): Doc;
  castObject(input: never): Raw;
}

/** There in types alone: what a model has whose schema has the plugin, also with `bind: false`. */
declare const hasTaskQueue: unique symbol;

export interface WithTaskQueue {
  readonly [hasTaskQueue]: true;
}

/** A model whose schema has the plugin, and whose documents are `Doc`. */
export type QueueOf<Doc, Raw = unknown> = ModelOf<Doc, Raw> & WithTaskQueue;

/** What `progress()` takes: any BSON value, which a function or a symbol is not. */
export type Storable<T> = T extends ((...values: never) => unknown) | symbol ? never : T;

/** A document of any model, told by a property that neither a plain object nor a model has. */
export interface DocumentLike {
  $locals: Record<string, unknown>;
}

/** The fields of `Raw` that hold a task's state, whatever they are called: known by their type, without the plugin's options. */
type StateKey<Raw> = keyof { [K in keyof Raw as IsState<Raw[K]> extends true ? K : never]: true };

type IsState<T> = 0 extends 1 & T ? false : [T] extends [State] ? ([State] extends [T] ? true : false) : false;

type WithId<T> = '_id' extends keyof T ? T : T & { _id: Types.ObjectId };

/**
 * What `Model.push()` takes: the fields of the schema as `Model.create()` takes them (a string for an ObjectId), with
 * `priority` and `category`, without the state. None is required here, since types do not know which fields have defaults: a
 * missing one is a `ValidationError` at run time.
 */
export type TaskInput<Raw> = DeepPartial<ApplyBasicCreateCasting<WithId<Omit<Raw, '__v'>>>> & {
  [K in StateKey<Raw>]?: never;
};

/** Which tasks: a filter as `Model.find()` takes it, also by what the queue keeps of a task: `'_task.settledAt'`. */
export type TaskFilter<Raw> = QueryFilter<Raw> & { [path: `_task.${string}`]: unknown };
