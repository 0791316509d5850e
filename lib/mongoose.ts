import mongoose from 'mongoose';
import type { AnySchema } from './any';
import { InvalidOptionError } from './errors';
import { shown } from './values/check';

/** The supported majors of Mongoose, each with its oldest minor: the range of the peer dependency. */
export const SUPPORTED_MONGOOSE: readonly (readonly [major: number, minor: number])[] = [
  [8, 24],
  [9, 4],
];

/** @throws {InvalidOptionError} for an unsupported version of Mongoose, or a schema of another copy of it. */
export function requireMongoose(schema: AnySchema): void {
  const { version, Schema } = mongoose;
  const range = SUPPORTED_MONGOOSE.map(([major, minor]) => `^${major}.${minor}.0`).join(' || ');
  if (!isSupported(version))
    throw new InvalidOptionError(
      `Expected Mongoose ${range}, got ${version}, in which dependencies and leases do not hold. Install one that is supported: \`npm install mongoose@${range.split(' ').at(-1)}\`.`,
    );
  if (schema instanceof Schema) return;
  const { modelName } = ((schema as unknown) ?? {}) as { modelName?: unknown };
  throw new InvalidOptionError(
    isSchema(schema)
      ? `Expected a schema of the Mongoose that mongoose-task-queue loads (${version}), got one of another copy of Mongoose: what one of them makes the other does not recognise. Install one copy; \`npm ls mongoose\` lists them.`
      : typeof modelName === 'string'
        ? `Expected a schema, got the model ${modelName}: a model is fixed when it is compiled. Write \`taskQueue(schema)\` before \`mongoose.model('${modelName}', schema)\`.`
        : `Expected a Mongoose schema, got ${shown(schema)}. Write \`taskQueue(new Schema({ … }))\`.`,
  );
}

function isSupported(version: string): boolean {
  const [major, minor] = version.split('.').map(Number) as [number, number];

  return SUPPORTED_MONGOOSE.some(([known, oldest]) => major === known && minor >= oldest);
}

function isSchema(value: unknown): boolean {
  return (value as { instanceOfSchema?: boolean } | null | undefined)?.instanceOfSchema === true;
}

/** Identifies this copy of the package: another copy in the process does not see the leases that this one keeps. */
export const COPY = Symbol('mongoose-task-queue');

/** @throws {InvalidOptionError} for a schema with the plugin of another copy of the package. */
export function requireOwnCopy(copy: symbol, name: string): void {
  if (copy === COPY) return;
  throw new InvalidOptionError(
    `${name} has the plugin of another copy of mongoose-task-queue: the package was loaded twice, by a bundler, a hot reload or a second install, and one copy does not see the leases of the other. Load it once: name it as external to the bundler (in Next.js \`serverExternalPackages: ['mongoose-task-queue']\`), restart after a reload; \`npm ls mongoose-task-queue\` lists the installs.`,
  );
}
