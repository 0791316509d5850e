import type { Types } from 'mongoose';
import type { CreateCasting, DeepPartial } from '../differences/create-casting';
import type { FilterOf } from '../differences/generics';
import type { State } from '../fields';
import type { PushedCount } from '../push/source';

/**
 * A model whose documents are `Doc`, stored as `Raw`. Structural on purpose: two methods tell the compiler all that the verbs need;
 * comparing with a whole `Model` is slow and fails for some models.
 */
export interface ModelOf<Doc, Raw = unknown> {
  /** Mongoose makes a document of what is stored. */
  hydrate(stored: never): Doc;
  /** Mongoose casts the fields of an object. */
  castObject(input: never): Raw;
}

/** A property, in types only, of models whose schema has the plugin, also with `bind: false`. */
declare const hasTaskQueue: unique symbol;

/** A model whose schema has the plugin. */
export interface WithTaskQueue {
  /** There in types alone. */
  readonly [hasTaskQueue]: true;
}

/** A model whose schema has the plugin, and whose documents are `Doc`. */
export type QueueOf<Doc, Raw = unknown> = ModelOf<Doc, Raw> & WithTaskQueue;

/** A value that `progress()` accepts: any BSON value, so no function and no symbol. */
export type Storable<T> = T extends ((...values: never) => unknown) | symbol ? never : T;

/** A document of any model, recognised by a property that neither a plain object nor a model has. */
export interface DocumentLike {
  $locals: Record<string, unknown>;
}

/** The fields of `Raw` that hold a task's state, recognised by their type: their names are in the plugin's options. */
type StateKey<Raw> = keyof { [K in keyof Raw as IsState<Raw[K]> extends true ? K : never]: true };

type IsState<T> = 0 extends 1 & T ? false : [T] extends [State] ? ([State] extends [T] ? true : false) : false;

/** Stands where nothing may be given, so that the compiler's message says why. */
interface SetByPush {
  readonly [setByPush]: never;
}
declare const setByPush: unique symbol;

type WithId<T> = '_id' extends keyof T ? T : T & { _id: Types.ObjectId };

/**
 * The input of `Model.push()`: the fields of the schema as `Model.create()` takes them (a string for an ObjectId), with `priority` and
 * `category`, without the state. Types do not know which fields have defaults, so none is required here: a missing field is a
 * `ValidationError` at run time.
 */
export type TaskInput<Raw> = DeepPartial<CreateCasting<WithId<Omit<Raw, '__v' | StateKey<Raw>>>>> & {
  [K in StateKey<Raw>]?: SetByPush;
};

/** A filter as `Model.find()` takes it, also by the queue's own data, such as `'_task.settledAt'`. */
export type TaskFilter<Raw> = FilterOf<Raw> & { [path: `_task.${string}`]: unknown };

/**
 * What `push()` takes: many, if it was given something with an iterator (`Many`) or an async one (`Source`), else one. It is one type, and no
 * overloads, so that the compiler's message is about the very field that is wrong.
 */
export type Pushed<Doc, Raw, Many, Source, Locals> = [Source] extends [never]
  ? [Many] extends [never]
    ? PushedOne<Doc, Raw, Locals>
    : readonly PushedOne<Doc, Raw, Locals>[] & { [Symbol.iterator]: Many }
  : AsyncIterable<TaskInput<Raw> | NoInfer<Doc>> & { [Symbol.asyncIterator]: Source };

/** A document of the model, if it was given something with `$locals`, else input. */
type PushedOne<Doc, Raw, Locals> = [Locals] extends [never] ? TaskInput<Raw> : NoInfer<Doc> & { $locals: Locals };

/** What `push()` resolves to. */
export type PushedTo<Doc, Many, Source> = [Source] extends [never]
  ? [Many] extends [never]
    ? Doc
    : Doc[]
  : PushedCount;
