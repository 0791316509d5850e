import { loadPeer } from '../peer';

/**
 * OpenTelemetry's interface: the one thing that is loaded of it. What it does is up to the SDK that the application has registered with it, if it
 * has.
 */
export const api = loadPeer(
  '@opentelemetry/api',
  'opentelemetry',
  // An import at the top could not say what to install.
  () => require('@opentelemetry/api') as typeof import('@opentelemetry/api'),
);
