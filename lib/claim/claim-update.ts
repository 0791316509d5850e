import type { mongo, Types } from 'mongoose';
import type { Definition } from '../definition/definition';
import { hasDependencies } from '../dependencies/references';
import { State } from '../fields';
import { holdsMs, outliveLong, takeoverAt } from './takeover';

/**
 * The update of a claim. It is a hot path, so it is kept small. A task whose lease ended and that has used its attempts is claimed once
 * more, and failed after the claim. A CREATED task that has used its attempts was put back by hand and starts again at attempt 1.
 */
export function claimUpdate(definition: Definition, token: Types.ObjectId): mongo.Document[] {
  const { model, options } = definition;
  const { state } = options.fields;
  const isPutBack = {
    $and: [{ $gte: ['$_task.attempts', options.maxAttempts] }, { $ne: [`$${state}`, State.RUNNING] }],
  };
  // `$sum` counts a value that is no number as 0; `$max` with 0 replaces a negative one.
  const next = { $sum: [{ $max: ['$_task.attempts', 0] }, 1] };
  const holds = holdsMs(options);
  const until = takeoverAt({ $max: [{ $sum: '$_task.attempts' }, 0] }, options, holds);
  const claimed = {
    [state]: State.RUNNING,
    '_task.token': token,
    '_task.availableAt': until,
    ...outliveLong(definition, until, holds),
    '_task.attempts': { $cond: [isPutBack, 1, next] },
    '_task.claims': { $sum: [{ $max: ['$_task.claims', 0] }, 1] },
    '_task.startedAt': '$$NOW',
  };

  return hasDependencies(model) ? [{ $set: claimed }, { $unset: PARKING }] : [{ $set: claimed }];
}

const PARKING = ['_task.waitingOn', '_task.recheckAt', '_task.doomedBy'];
