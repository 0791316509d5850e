import type { Attributes, Context, Span } from '@opentelemetry/api';
import { describe, safely, textOf } from '../values/describe';
import { api } from './api';
import { exceptionEvent, type OperationType, OTHER } from './conventions';

/** A log record of an exception, as `@opentelemetry/api-logs` takes it. */
export interface ExceptionRecord {
  /** `messaging.process.exception`, and so on. */
  eventName: string;
  /** 17 (ERROR) for a handler, 13 (WARN) for any other operation. */
  severityNumber: number;
  /** The name of that severity. */
  severityText: string;
  /** `exception.type`, `exception.message`, `exception.stacktrace`. */
  attributes: Attributes;
  /** The context of the span. */
  context: Context;
}

/** What exceptions are given to: a logger of `@opentelemetry/api-logs`. */
export interface ExceptionLogger {
  /** Called with each exception. What it throws changes nothing. */
  emit(record: ExceptionRecord): void;
}

/** Errors that were told: one that passes through several operations is told by the first. */
const told = new WeakSet();

/** The name of an error's class, or `_OTHER`. */
export function errorTypeOf(thrown: unknown): string {
  const name = textOf(thrown, 'name');
  if (name === undefined) return OTHER;
  const ofClass = name === 'Error' ? safely(() => (thrown as Error).constructor.name) : name;

  return typeof ofClass === 'string' && ofClass !== '' ? ofClass : OTHER;
}

/** Tells an exception: as a log record, or where there is no logger as an event of the span, which is how the API alone can do it. */
export function tellException(
  span: Span,
  thrown: unknown,
  type: OperationType,
  context: Context,
  logger: ExceptionLogger | null,
): void {
  if (thrown !== null && typeof thrown === 'object') {
    if (told.has(thrown)) return;
    told.add(thrown);
  }
  const attributes = attributesOf(thrown);
  if (!logger) {
    span.addEvent('exception', attributes);
    return;
  }
  const isHandler = type === 'process';
  logger.emit({
    eventName: exceptionEvent(type),
    severityNumber: isHandler ? 17 : 13,
    severityText: isHandler ? 'ERROR' : 'WARN',
    attributes,
    context,
  });
}

/** Gives the span the status of an operation that failed. */
export function markFailed(span: Span, thrown: unknown): void {
  span.setStatus({ code: api.SpanStatusCode.ERROR, message: describe(thrown).message });
}

function attributesOf(thrown: unknown): Attributes {
  const type = errorTypeOf(thrown);
  const { message, stack } = describe(thrown);

  return {
    ...(type !== OTHER && { 'exception.type': type }),
    'exception.message': message,
    ...(stack !== undefined && { 'exception.stacktrace': stack }),
  };
}
