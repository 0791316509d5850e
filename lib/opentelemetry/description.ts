import { hostname } from 'node:os';
import type { Attributes } from '@opentelemetry/api';
import type { AnyDocument, AnyModel } from '../definition/definition';
import { shownId } from '../values/id';
import * as names from './conventions';

/** An operation on tasks, as it is told. */
export interface Description {
  readonly name: string;
  readonly type: names.OperationType;
  readonly model: AnyModel;
  readonly tasks: readonly AnyDocument[];
  /** Whether the caller asked for many, however many there were. */
  readonly isBatch: boolean;
}

/** Names this process. */
const clientId = `${hostname()}@${process.pid}`;

/** `process Email`. */
export function spanName({ name, model }: Description): string {
  return `${name} ${model.modelName}`;
}

/** What spans and metrics tell: nothing that differs from task to task. */
export function commonAttributes({ name, type, model }: Description): Attributes {
  return {
    [names.SYSTEM]: names.SCOPE,
    [names.OPERATION_NAME]: name,
    [names.OPERATION_TYPE]: type,
    [names.DESTINATION_NAME]: model.modelName,
    ...serverOf(model),
  };
}

export function spanAttributes(description: Description): Attributes {
  const { tasks, isBatch } = description;
  const messages = isBatch ? { [names.MESSAGE_COUNT]: tasks.length } : messageOf(tasks[0]);

  return { ...commonAttributes(description), [names.CLIENT_ID]: clientId, ...messages };
}

export function messageOf(task: { readonly _id: unknown } | undefined): Attributes {
  return task ? { [names.MESSAGE_ID]: shownId(task._id) } : {};
}

function serverOf({ db }: AnyModel): Attributes {
  const { host, port } = db as { host?: unknown; port?: unknown };

  return {
    ...(typeof host === 'string' && { [names.SERVER_ADDRESS]: host }),
    ...(Number.isInteger(port) && { [names.SERVER_PORT]: port as number }),
  };
}
