import type { State } from '../fields';
import type { TaskQueueOptions } from '../options';

interface EveryField {
  /** The state of the task. Only a document stored before its model had the plugin, and never pushed, has none. */
  state: State;

  /** A whole number from -100 to 100, higher first; `Priority` names three. Default of a new document: `Priority.MEDIUM` (2). */
  priority: number;

  /** When the document was created. A schema that has a `createdAt` of its own keeps it. */
  createdAt: Date;

  /** The category by which `pop({ category })` selects. Exists only with the option `category: true`. */
  category?: string | null;
}

type NameOf<Field extends string, O> = O extends { fields: { [K in Field]: infer Name extends string } }
  ? string extends Name
    ? Field
    : Name
  : Field;

/** The fields the plugin adds. `O` is the type of its options: `TaskFields<{ fields: { state: 'taskState' } }>` has `taskState`. */
export type TaskFields<O extends TaskQueueOptions = {}> = {
  [
    K in keyof EveryField as K extends 'category' ? (O extends { category: true } ? NameOf<K, O> : never) : NameOf<K, O>
  ]: EveryField[K];
};

/** `T` and the fields the plugin adds to it: those that `T` has keep their own type. */
export type WithTaskFields<T, O extends TaskQueueOptions = {}> = T &
  (string extends keyof T ? TaskFields<O> : { [K in keyof TaskFields<O> as Exclude<K, keyof T>]: TaskFields<O>[K] });
