import { type CancelOptions, cancelTask } from '../cancel/cancel';
import { cancelMany, type CancelManyOptions } from '../cancel/cancel-many';
import { cancelled, cancelRequested } from '../cancel/cancelled';
import { ensureDeployed } from '../cancel/start-by-index';
import { completeBy, noteCompleted } from '../definition/compiled';
import {
  type AnyDocument,
  type AnyModel,
  type AnySchema,
  definitionOf,
  type Filter,
  optionsOf,
  rootOf,
} from '../definition/definition';
import { clausesOf } from '../dependencies/clauses';
import { refuseUuidIds } from '../differences/uuid-ids';
import { declareIndexes } from '../indexes/ensure';
import type { TaskQueuePlugin } from '../model/schema';
import { requireMongoose } from '../mongoose';
import { type ResolvedOptions, resolveOptions, type TaskQueueOptions } from '../options';
import { isEmpty, pop, popMany, type PopOptions } from '../pop/pop';
import { findByKey, type FindByKeyOptions } from '../push/find-by-key';
import type { PushOptions } from '../push/options';
import { pushNew, pushTask } from '../push/push';
import { requeueFailed, type RequeueOptions } from '../push/requeue-many';
import { queue, type QueueOptions } from '../queue/queue';
import { progress, renew } from '../settle/hold';
import { unschedule } from '../settle/recurrence';
import type { SettleOptions } from '../settle/settle';
import { fail, finish, release, type ReleaseOptions, retry, type RetryOptions } from '../settle/verbs';
import { history, type HistoryOptions } from '../side/history';
import { pause, paused, type PauseOptions, resume } from '../side/pause';
import { workers } from '../side/workers';
import { stats } from '../stats';
import { attempts, failures, lastProgress, lease, pushOutcome } from '../task/handle';
import { blocked, blockedBy, type BlockedOptions } from '../waiting/blocked-by';
import { addHooks } from './guard-saves';
import { guardInsertMany } from './insert-many';
import { refuseReplaced, refuseTaken } from './names';
import { addFields, refuseDifference, refuseFixed, refuseKind } from './paths';
import { watchModels } from './watch-models';

const statics = {
  push(this: AnyModel, input: unknown, options?: PushOptions) {
    return pushNew(this, input, options);
  },
  pop(this: AnyModel, options?: PopOptions) {
    return pop(this, options);
  },
  popMany(this: AnyModel, limit: number, options?: PopOptions) {
    return popMany(this, limit, options);
  },
  queue(this: AnyModel, options?: QueueOptions) {
    return queue(this, options);
  },
  isEmpty(this: AnyModel, options?: Pick<PopOptions, 'category'>) {
    return isEmpty(this, options);
  },
  findByKey(this: AnyModel, key: string, options?: FindByKeyOptions) {
    return findByKey(this, key, options);
  },
  ensureTaskIndexes(this: AnyModel) {
    return ensureDeployed(this);
  },
  stats(this: AnyModel) {
    return stats(this);
  },
  requeue(this: AnyModel, filter: Filter, options?: RequeueOptions) {
    return requeueFailed(this, filter, options);
  },
  cancel(this: AnyModel, filter: Filter, options?: CancelManyOptions) {
    return cancelMany(this, filter, options);
  },
  blocked(this: AnyModel, options?: BlockedOptions) {
    return blocked(this, options);
  },
  pause(this: AnyModel, options?: PauseOptions) {
    return pause(this, options);
  },
  resume(this: AnyModel, options?: Pick<PauseOptions, 'category'>) {
    return resume(this, options);
  },
  paused(this: AnyModel) {
    return paused(this);
  },
  history(this: AnyModel, options?: HistoryOptions) {
    return history(this, options);
  },
  workers(this: AnyModel) {
    return workers(this);
  },
};

const methods = {
  push(this: AnyDocument, options?: PushOptions) {
    return pushTask(this, options);
  },
  finish(this: AnyDocument, options?: SettleOptions) {
    return finish(this, options);
  },
  fail(this: AnyDocument, error?: unknown, options?: SettleOptions) {
    return fail(this, error, options);
  },
  retry(this: AnyDocument, options?: RetryOptions) {
    return retry(this, options);
  },
  cancel(this: AnyDocument, options?: CancelOptions) {
    return cancelTask(this, options);
  },
  release(this: AnyDocument, options?: ReleaseOptions) {
    return release(this, options);
  },
  renew(this: AnyDocument, leaseMs?: number) {
    return renew(this, leaseMs);
  },
  progress(this: AnyDocument, value: unknown) {
    return progress(this, value);
  },
  unschedule(this: AnyDocument) {
    return unschedule(this);
  },
  blockedBy(this: AnyDocument) {
    return blockedBy(this);
  },
};

const getters = { lease, attempts, failures, lastProgress, cancelled, cancelRequested, pushOutcome };

const bindings = { statics, methods, getters };

/** Sub-schemas of schemas with the plugin: `mongoose.plugin()` is applied to them too, but their documents are no tasks. */
const embedded = new WeakSet<AnySchema>();

/** Makes the models of a schema task queues. See `TaskQueuePlugin`. */
export const taskQueue = function taskQueue(schema: AnySchema, options: TaskQueueOptions = {}): AnySchema {
  requireMongoose(schema);
  if (embedded.has(schema)) return schema;
  const { plugins } = schema as AnySchema & { plugins: { fn: unknown }[] };
  if (!plugins.some(({ fn }) => fn === taskQueue))
    return schema.plugin(taskQueue as never, options as never) as AnySchema;

  try {
    install(schema, resolveOptions(options));
  } catch (error) {
    plugins.splice(
      plugins.findLastIndex(({ fn }) => fn === taskQueue),
      1,
    );
    throw error;
  }
  return schema;
} as TaskQueuePlugin;

function install(schema: AnySchema, options: ResolvedOptions): void {
  const installed = optionsOf(schema);
  if (installed) {
    refuseDifference(installed, options);
    return;
  }

  for (const { schema: child } of schema.childSchemas as { schema: AnySchema }[]) embedded.add(child);
  refuseTaken(schema, options, bindings);
  addFields(schema, options);
  addHooks(schema);
  if (options.bind) {
    schema.static(statics as never);
    schema.method(methods as never);
  }
  schema.on('init', (model: AnyModel) => compiled(model));
}

/** Runs when a model of the schema is compiled: from then on the schema's paths, statics and methods are final. */
function compiled(model: AnyModel): void {
  const schema = model.schema as AnySchema;
  const { options } = definitionOf(model);
  noteCompleted(model);
  refuseUuidIds(model);
  refuseKind(model.modelName, schema, rootOf(model).schema as AnySchema);
  refuseFixed({ modelName: model.modelName, schema });
  refuseReplaced(schema, options, bindings);
  clausesOf(model);
  declareIndexes(model);
  watchModels(model, compiled);
  guardInsertMany(model);
  if (!options.bind) return;

  for (const [name, read] of Object.entries(getters)) {
    Object.defineProperty(model.prototype, name, {
      configurable: true,
      get(this: object) {
        return read(this);
      },
    });
  }
}

completeBy(compiled);
