// OpenTelemetry's semantic conventions for messaging, version 1.44.0. The names are written out: the package that has them counts these among the
// ones that may change with any of its versions.

/** The instrumentation scope of all that is told. */
export const SCOPE = 'mongoose-task-queue';
export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.44.0';

export const SYSTEM = 'messaging.system';
export const OPERATION_NAME = 'messaging.operation.name';
export const OPERATION_TYPE = 'messaging.operation.type';
export const DESTINATION_NAME = 'messaging.destination.name';
export const MESSAGE_ID = 'messaging.message.id';
export const MESSAGE_COUNT = 'messaging.batch.message_count';
export const CLIENT_ID = 'messaging.client.id';
export const SERVER_ADDRESS = 'server.address';
export const SERVER_PORT = 'server.port';
export const ERROR_TYPE = 'error.type';
/** The type of an error that tells none. */
export const OTHER = '_OTHER';

export type OperationType = 'send' | 'receive' | 'process' | 'settle';

/** The upper bounds of the buckets of durations, in seconds. */
const explicitBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

export const OPERATION_DURATION = {
  name: 'messaging.client.operation.duration',
  options: {
    unit: 's',
    description: 'Duration of messaging operation initiated by a producer or consumer client.',
    advice: { explicitBucketBoundaries },
  },
};

export const PROCESS_DURATION = {
  name: 'messaging.process.duration',
  options: { unit: 's', description: 'Duration of processing operation.', advice: { explicitBucketBoundaries } },
};

export const SENT_MESSAGES = {
  name: 'messaging.client.sent.messages',
  options: { unit: '{message}', description: 'Number of messages producer attempted to send to the broker.' },
};

export const CONSUMED_MESSAGES = {
  name: 'messaging.client.consumed.messages',
  options: { unit: '{message}', description: 'Number of messages that were delivered to the application.' },
};

/** How a log record of an exception is called. */
export const exceptionEvent = (type: OperationType): string => `messaging.${type}.exception`;
