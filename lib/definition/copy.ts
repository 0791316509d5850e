import { InvalidOptionError } from '../errors';

/** Tells this copy of the package from others of the process: each keeps leases where only it sees them. */
export const COPY = Symbol('mongoose-task-queue');

/** @throws {InvalidOptionError} for a schema whose plugin is that of another copy of the package. */
export function requireOwnCopy(copy: symbol, name: string): void {
  if (copy === COPY) return;
  throw new InvalidOptionError(
    `${name} has the plugin of another copy of mongoose-task-queue: the package was loaded twice, by a bundler, a hot reload or a second install, and one copy does not see the leases of the other. Load it once: name it as external to the bundler (in Next.js \`serverExternalPackages: ['mongoose-task-queue']\`), restart after a reload; \`npm ls mongoose-task-queue\` lists the installs.`,
  );
}
