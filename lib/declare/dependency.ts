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

/** `wait`: until it changes. `fail`: the task fails with it. `ignore`: as if the document were not referred to. */
export type DependencyPolicy = 'wait' | 'fail' | 'ignore';

/** Values of fields, each by equality or as `{ $in: [ … ] }`; all of them must hold. */
export type DependencyCondition = Readonly<Record<string, unknown>>;

export interface DependencyOptions {
  /** What a FAILED dependency does. With ANY_OF, `fail` applies when no alternative is left. Default: `'wait'`. */
  onFailed?: DependencyPolicy;

  /** What a dependency that does not exist does, whether it was deleted, expired or never there. Default: `'wait'`. */
  onMissing?: DependencyPolicy;

  /**
   * When a document counts as done: `{ status: 'paid' }`, `{ state: { $in: ['FINISHED', 'FAILED'] } }`. Needed for models without
   * the plugin. Default: the dependency is a task that is FINISHED.
   */
  when?: DependencyCondition;
}

/** A dependency as it is written on a path: its type, or its type with options. */
export type DependencyDeclaration = DependencyType | ({ type: DependencyType } & DependencyOptions);

export interface Dependency {
  readonly type: DependencyType;
  readonly onFailed: DependencyPolicy;
  readonly onMissing: DependencyPolicy;
  readonly when: DependencyCondition | null;
}
