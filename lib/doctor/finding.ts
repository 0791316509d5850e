import type { Definition } from '../definition/definition';

/** Something that is not as it should be. */
export interface Finding {
  /** The name of the model. */
  model: string;
  /** What was found. */
  text: string;
  /** What to do about it. */
  hint: string;
  /** `error`: tasks are lost, late, or cannot be claimed. `warning`: something to know, or to tidy up. */
  severity: 'error' | 'warning';
  /** Whether `fix` repaired it. */
  fixed?: boolean;
}

/** What one check has found in all models. */
export interface Diagnosis {
  /** The name of the check. */
  check: string;
  /** What it looks at. */
  about: string;
  /** Whether no error is left. */
  ok: boolean;
  /** What was found, in the order of the models. */
  findings: Finding[];
  /** What could not be looked at, and why. */
  notes: string[];
}

/** What a check is given: one model, and what it may do. */
export interface Exam {
  readonly definition: Definition;
  /** Whether it may repair what it finds, by what the queue does itself. */
  readonly fix: boolean;
  /** Whether the model was made up from what is stored: its dependencies are not known, nor what else its schema says. */
  readonly isPartial: boolean;
  /** Tells of what was not looked at. */
  note(text: string): void;
}

/** A finding but for the name of its model. */
export type Found = Omit<Finding, 'model'>;

export interface Check {
  readonly name: string;
  readonly about: string;
  /** Whether it looks at a whole collection, so that it has nothing to look at in a kind of it. */
  readonly isOfCollection: boolean;
  look(exam: Exam): Promise<Found[]>;
}
