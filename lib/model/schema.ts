import type {
  ApplySchemaOptions,
  Document,
  InferSchemaType,
  IsItRecordAndNotAny,
  ObtainDocumentType,
  ObtainSchemaGeneric,
  ResolveSchemaOptions,
} from 'mongoose';
import type { AnySchema } from '../definition/definition';
import type { DefinitionOf, HydratedOf, LeanOf, SchemaOf } from '../differences/generics';
import type { TaskQueueOptions } from '../options';
import type { WithTaskFields } from './fields';
import type { BoundMethods, BoundStatics } from './model';

/**
 * The schema `S` after the plugin: its documents have the fields and methods of a task, its models the statics. The types of raw and
 * hydrated documents are both given, since Mongoose would make them `any`.
 */
export type TaskSchema<S extends AnySchema, O extends TaskQueueOptions = {}> = SchemaOf<
  WithTaskFields<InferSchemaType<S>, O>,
  ObtainSchemaGeneric<S, 'M'>,
  ObtainSchemaGeneric<S, 'TInstanceMethods'> & BoundMethods<O>,
  ObtainSchemaGeneric<S, 'TQueryHelpers'>,
  ObtainSchemaGeneric<S, 'TVirtuals'>,
  ObtainSchemaGeneric<S, 'TStaticMethods'> & BoundStatics<O>,
  ObtainSchemaGeneric<S, 'TSchemaOptions'>,
  ApplySchemaOptions<
    ObtainDocumentType<
      // oxlint-disable-next-line typescript/no-explicit-any -- Mongoose's own default; this parameter's constraint takes no other
      any,
      WithTaskFields<InferSchemaType<S>, O>,
      ResolvedOptions<S>
    >,
    ResolvedOptions<S>
  >,
  HydratedTask<S, O>,
  DefinitionOf<S>,
  WithTaskFields<LeanOf<S>, O>
>;

type ResolvedOptions<S extends AnySchema> = ResolveSchemaOptions<ObtainSchemaGeneric<S, 'TSchemaOptions'>>;

/** The documents of the schema's models: by the declared type of a schema that has one, else as `model()` infers them. */
type HydratedTask<S extends AnySchema, O extends TaskQueueOptions> =
  IsItRecordAndNotAny<ObtainSchemaGeneric<S, 'EnforcedDocType'>> extends true
    ? Document<
        unknown,
        ObtainSchemaGeneric<S, 'TQueryHelpers'>,
        WithTaskFields<InferSchemaType<S>, O>,
        ObtainSchemaGeneric<S, 'TVirtuals'>,
        ObtainSchemaGeneric<S, 'TSchemaOptions'>
      > &
        WithTaskFields<ObtainSchemaGeneric<S, 'THydratedDocumentType'>, O> &
        BoundMethods<O>
    : HydratedOf<
        WithTaskFields<InferSchemaType<S>, O>,
        ObtainSchemaGeneric<S, 'TVirtuals'> & ObtainSchemaGeneric<S, 'TInstanceMethods'> & BoundMethods<O>,
        ObtainSchemaGeneric<S, 'TQueryHelpers'>,
        ObtainSchemaGeneric<S, 'TVirtuals'>,
        WithTaskFields<InferSchemaType<S>, O>,
        ObtainSchemaGeneric<S, 'TSchemaOptions'>
      >;

/** The name of the added creation time; `never` for a schema whose `timestamps` keep one. */
type AddedTime<S extends AnySchema, Name extends string> =
  ObtainSchemaGeneric<S, 'TSchemaOptions'> extends { timestamps: true | { createdAt: true | string } } ? never : Name;

interface Defaults {
  fields: { state: 'state'; priority: 'priority'; createdAt: 'createdAt'; category: 'category' };
  category: false;
  bind: true;
}

/** The options, without those that are the defaults: messages of the compiler and editors show them with every task. */
type Chosen<O extends TaskQueueOptions> = O extends Defaults ? (Defaults extends O ? {} : O) : O;

/**
 * Makes the models of a schema task queues, and returns the schema with its new type: `taskQueue(schema, options)`. It is also a plugin,
 * `schema.plugin(taskQueue, options)`, which cannot change the schema's type: declare `TaskModel<T>` there.
 *
 * @throws {InvalidOptionError} for a mistake in the options or the schema, such as a path, method or static whose name is taken.
 */
export interface TaskQueuePlugin {
  <
    S extends AnySchema,
    StateName extends string = 'state',
    PriorityName extends string = 'priority',
    CreatedAtName extends string = 'createdAt',
    CategoryName extends string = 'category',
    HasCategory extends boolean = false,
    Bind extends boolean = true,
  >(
    schema: S,
    options?: TaskQueueOptions & {
      fields?: {
        state?: StateName | undefined;
        priority?: PriorityName | undefined;
        createdAt?: CreatedAtName | undefined;
        category?: CategoryName | undefined;
      };
      category?: HasCategory | undefined;
      bind?: Bind | undefined;
    },
  ): TaskSchema<
    S,
    Chosen<{
      fields: {
        state: StateName;
        priority: PriorityName;
        createdAt: AddedTime<S, CreatedAtName>;
        category: CategoryName;
      };
      category: HasCategory;
      bind: Bind;
    }>
  >;
}
