import { loadPeer } from '../peer';

/** The decorators, the logger and the types of Nest. */
export const common = loadPeer(
  '@nestjs/common',
  'nestjs',
  // An import at the top could not say what to install.
  () => require('@nestjs/common') as typeof import('@nestjs/common'),
);

/** What finds the providers of an application. */
export const core = loadPeer('@nestjs/core', 'nestjs', () => require('@nestjs/core') as typeof import('@nestjs/core'));
