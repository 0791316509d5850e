import type { AnyDocument } from '../definition/definition';
import { TaskStateError } from '../errors';
import { State } from '../fields';
import { cancelledError } from '../task/cancelled-error';
import { failures, handleOf } from '../task/handle';
import type { HeldTask, Withdrawn } from './held-task';

/** How a task left the worker, and the error if its attempt failed. */
export type Outcome = Ended & {
  /** What a save hook threw after the task was settled. */
  readonly hookError?: { readonly error: unknown };
};

type Ended =
  | { readonly name: 'finished' | 'released'; readonly error?: undefined }
  | { readonly name: 'retried' | 'failed' | 'cancelled' | 'lost'; readonly error: unknown };

/** By what the handle of a task says of its settle. `error`: what the handler threw, if it did. */
export function outcomeOf(task: AnyDocument, error: unknown): Outcome {
  const { settledAs, stored } = handleOf(task);
  if (settledAs === 'finish') return FINISHED;
  if (settledAs === 'cancel') return { name: 'cancelled', error: cancelledError(task, stored.cancel?.reason, null) };

  return outcomeNamed(settledAs, error ?? failures(task).at(-1));
}

const FINISHED: Outcome = { name: 'finished' };

function outcomeNamed(verb: string | null, error: unknown): Outcome {
  if (verb === 'finish') return FINISHED;
  if (verb === 'release') return { name: 'released' };
  if (verb === 'cancel') return { name: 'cancelled', error };

  return { name: verb === 'fail' ? 'failed' : 'retried', error };
}

/** A task that was to be cancelled and was taken away by somebody else was cancelled by them. */
export function asCancelled({ cancelled }: HeldTask, outcome: Outcome): Outcome {
  if (outcome.name !== 'lost' || !cancelled) return outcome;
  const isGone = outcome.error instanceof TaskStateError && outcome.error.state === null;

  return isGone ? outcome : { name: 'cancelled', error: cancelled };
}

/** The server carries out one of two settles of a lease: the earlier one, if the worker's was refused for the task's new state. */
export function earlierOutcome({ settling }: Withdrawn, { name, error }: Outcome, thrown: unknown): Outcome | null {
  const isSettled = name === 'lost' && error instanceof TaskStateError && error.state !== null;

  return settling && isSettled
    ? outcomeNamed(
        error.state === State.CANCELLED ? 'cancel' : settling.verb,
        error.state === State.CANCELLED ? error : thrown,
      )
    : null;
}
