import type { ModelOf, QueueOf } from '../model/input';

/** A model and its share of the worker: weight 2 gets twice the slots of weight 1 while both models have tasks. */
export interface WeightedModel<Doc = unknown> {
  /** The model whose tasks are worked on. */
  model: QueueOf<Doc>;
  /** A whole number from 1 to 1 000. Default: 1. */
  weight?: number | undefined;
}

/** One model or several; several share the worker evenly, or by weight. */
export type WorkerModels<Doc = unknown> =
  QueueOf<Doc> | WeightedModel<Doc> | readonly (QueueOf<Doc> | WeightedModel<Doc>)[];

/** The tasks of one model or several: of several the union. */
export type TaskOf<Models> = Models extends readonly (infer Each)[]
  ? TaskOf<Each>
  : Models extends ModelOf<infer Doc>
    ? Doc
    : Models extends WeightedModel<infer Doc>
      ? Doc
      : never;
