import { TaskQueueError } from './errors';

/**
 * Loads a package that only one entry of this one needs.
 *
 * @throws {TaskQueueError} that says what to install, when it is missing.
 */
export function loadPeer<T>(name: string, entry: string, load: () => T): T {
  try {
    return load();
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    // The package may be there, and one of its own dependencies missing.
    if (code !== 'MODULE_NOT_FOUND' || !String(message).includes(`'${name}'`)) throw error;
    throw new TaskQueueError(`\`mongoose-task-queue/${entry}\` needs ${name}. Write \`npm install ${name}\`.`, {
      cause: error,
    });
  }
}
