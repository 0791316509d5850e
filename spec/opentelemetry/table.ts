import { SpanKind } from '@opentelemetry/api';

/**
 * The tables of the semantic conventions for messaging, as they stand in docs/messaging/messaging-spans.md and messaging-metrics.md of
 * github.com/open-telemetry/semantic-conventions at the tag v1.44.0: one requirement level for each attribute.
 */
export type Requirement = 'Required' | 'Conditionally Required' | 'Recommended' | 'Opt-In';

/** Of the sections "Send span (producer)", "Receive span", "Process span" and "Settle span": what all of them list. */
const ALL: Record<string, Requirement> = {
  'messaging.operation.name': 'Required',
  'messaging.system': 'Required',
  'error.type': 'Conditionally Required', // if and only if the messaging operation has failed
  'messaging.batch.message_count': 'Conditionally Required', // if the span describes an operation on a batch
  'messaging.destination.name': 'Conditionally Required', // if it applies to all messages
  'messaging.destination.template': 'Conditionally Required', // if available
  'messaging.operation.type': 'Conditionally Required', // if applicable
  'messaging.client.id': 'Recommended',
  'messaging.destination.partition.id': 'Recommended', // when applicable
  'messaging.message.conversation_id': 'Recommended',
  'messaging.message.id': 'Recommended', // if the span describes an operation on a single message
  'server.address': 'Recommended',
  'server.port': 'Recommended',
};

const PEER: Record<string, Requirement> = { 'network.peer.address': 'Recommended', 'network.peer.port': 'Recommended' };
const SIZES: Record<string, Requirement> = {
  'messaging.message.body.size': 'Opt-In',
  'messaging.message.envelope.size': 'Opt-In',
};

export const SPANS = {
  send: { kind: SpanKind.PRODUCER, attributes: { ...ALL, ...PEER, ...SIZES } },
  receive: { kind: SpanKind.CLIENT, attributes: { ...ALL, ...PEER, ...SIZES } },
  process: { kind: SpanKind.CONSUMER, attributes: { ...ALL, ...SIZES } },
  settle: { kind: SpanKind.CLIENT, attributes: { ...ALL, ...PEER } },
};

/** What the lists say of this system: it has none of these. */
export const NOT_APPLICABLE = [
  'messaging.destination.template', // a queue has the name of its model
  'messaging.destination.partition.id',
  'messaging.message.conversation_id',
  'network.peer.address', // the driver chooses the node for each command
  'network.peer.port',
];

/** Of each metric: instrument, unit, attributes. Each list also has `messaging.destination.template` and `…partition.id`, see above. */
const OF_METRICS: Record<string, Requirement> = {
  'messaging.operation.name': 'Required',
  'messaging.system': 'Required',
  'error.type': 'Conditionally Required', // if and only if the messaging operation has failed
  'messaging.destination.name': 'Conditionally Required', // if and only if it is known to have low cardinality
  'server.address': 'Conditionally Required', // if available
  'server.port': 'Recommended',
};

export const METRICS = {
  'messaging.client.operation.duration': {
    type: 'HISTOGRAM',
    unit: 's',
    attributes: { ...OF_METRICS, 'messaging.operation.type': 'Conditionally Required' }, // if applicable
  },
  'messaging.client.sent.messages': { type: 'COUNTER', unit: '{message}', attributes: OF_METRICS },
  'messaging.client.consumed.messages': { type: 'COUNTER', unit: '{message}', attributes: OF_METRICS },
  'messaging.process.duration': { type: 'HISTOGRAM', unit: 's', attributes: OF_METRICS },
} as const;

/** The advised boundaries of both histograms. */
export const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
