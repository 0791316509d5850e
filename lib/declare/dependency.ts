/** How many of the documents a field refers to must be done. */
export const DependencyType = {
  /** The one document of a single reference. */
  DIRECT: 'DIRECT',
  /** Every document of an array of references. */
  ALL_OF: 'ALL_OF',
  /** At least one document of an array of references. */
  ANY_OF: 'ANY_OF',
} as const;

export type DependencyType = (typeof DependencyType)[keyof typeof DependencyType];

/** `wait`: the task waits until the document changes. `fail`: the task fails too. `ignore`: as if the task did not refer to it. */
export type DependencyPolicy = 'wait' | 'fail' | 'ignore';

/** Fields and their values, each a value or `{ $in: [values] }`; all of them must match. */
export type DependencyCondition = Readonly<Record<string, unknown>>;

/** How a dependency that is not met is treated, and when it is. */
export interface DependencyOptions {
  /** What happens to the task when a dependency is FAILED. With ANY_OF, `fail` applies when no alternative is left. Default: `'wait'`. */
  onFailed?: DependencyPolicy;

  /** What happens to the task when a dependency does not exist: it was deleted, expired or never inserted. Default: `'wait'`. */
  onMissing?: DependencyPolicy;

  /**
   * When a document counts as done: `{ status: 'paid' }`, `{ state: { $in: ['FINISHED', 'FAILED'] } }`. Needed for models without
   * the plugin. Default: the dependency is a task that is FINISHED.
   */
  when?: DependencyCondition;
}

/** A dependency as it is written on a path: its type, or its type with options. */
export type DependencyDeclaration =
  | DependencyType
  | ({
      /** How many of the documents must be done. */
      type: DependencyType;
    } & DependencyOptions);

export interface Dependency {
  readonly type: DependencyType;
  readonly onFailed: DependencyPolicy;
  readonly onMissing: DependencyPolicy;
  readonly when: DependencyCondition | null;
}
