import type { HydratedDocument, Model } from 'mongoose';
import type { TaskQueueOptions } from '../options';
import type { TaskFields, WithTaskFields } from './fields';
import type { WithTaskQueue } from './input';
import type { TaskMethods } from './methods';
import type { TaskStatics } from './statics';

/** The methods the plugin adds under these options: none with `bind: false`. */
export type BoundMethods<O extends TaskQueueOptions = {}> = O extends { bind: false } ? {} : TaskMethods;

/** The statics the plugin adds under these options: none with `bind: false`. */
export type BoundStatics<O extends TaskQueueOptions = {}> = O extends { bind: false } ? WithTaskQueue : TaskStatics;

/** A task of `TaskModel<T, O>`. */
export type TaskDocument<T, O extends TaskQueueOptions = {}> = HydratedDocument<WithTaskFields<T, O>, BoundMethods<O>>;

/**
 * The model of tasks whose own fields are `T`, for code that declares interfaces first or gets its models injected. With statics or
 * methods of your own: `interface MailModel extends Model<Mail & TaskFields, {}, TaskMethods & MailMethods>, TaskStatics`.
 *
 * @example
 * const schema = new Schema<Mail & TaskFields, TaskModel<Mail>, TaskMethods>({ to: String });
 * schema.plugin(taskQueue, { leaseMs: 60_000 });
 * const Mail = model<Mail & TaskFields, TaskModel<Mail>>('Mail', schema);
 */
export type TaskModel<T, O extends TaskQueueOptions = {}> = BoundStatics<O> &
  Model<WithTaskFields<T, O>, {}, BoundMethods<O>, {}, TaskDocument<T, O>>;

/** The types that the plugin adds to a Typegoose class: at run time the class is empty. */
export interface TaskBase extends TaskFields, TaskMethods {}

/**
 * The base class of Typegoose classes that are tasks.
 *
 * @example
 * @plugin(taskQueue) class Mail extends TaskBase { @prop() to?: string }
 */
export const TaskBase: (abstract new () => TaskBase) & TaskStatics = class {} as never;
