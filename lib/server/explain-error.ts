import { UnauthorizedError } from '../errors';
import { isUnauthorized, unsupported } from './permanent';

/** Replaces the server's error for a missing right, or for an unsupported feature, by one that says what to do. */
export function explained(error: unknown): unknown {
  return unauthorized(unsupported(error));
}

export function throwExplained(error: unknown): never {
  throw explained(error);
}

/** The actions of MongoDB's roles, by the commands that need them. */
const ACTIONS: Readonly<Record<string, string>> = {
  findAndModify: 'find` and `update',
  aggregate: 'find',
  count: 'find',
  getMore: 'find',
  createIndexes: 'createIndex',
  dropIndexes: 'dropIndex',
  delete: 'remove',
};

/** Replaces the server's error for a missing right by one that names the right and shows no document. */
function unauthorized(error: unknown): unknown {
  if (!isUnauthorized(error) || error instanceof UnauthorizedError) return error;
  // As in: not authorized on jobs to execute command { insert: "emails", documents: [ …
  const said = error instanceof Error ? error.message : '';
  const [, database, command = '', collection] =
    /^not authorized on (\S+) to execute command \{ (?:explain: \{ )?(\w+): "?([^",]*)/.exec(said) ?? [];
  if (!command)
    return new UnauthorizedError(
      'Expected a user who is logged in, got one who is not. Give the connection a user and a password.',
    );

  const where = collection === '1' ? `database \`${database}\`` : `\`${database}.${collection}\``;
  const instead =
    command === 'createIndexes' ? 'Grant it, or call `ensureTaskIndexes()` in a deploy step that has it' : 'Grant it';
  return new UnauthorizedError(
    `Expected the connection's user to have the right \`${actionOf(command, collection)}\` on ${where}, got a user without it. ${instead}; docs/operating.md lists what each role needs.`,
  );
}

// An aggregation over a whole database is a change stream.
function actionOf(command: string, collection: string | undefined): string {
  return command === 'aggregate' && collection === '1' ? 'find` and `changeStream' : (ACTIONS[command] ?? command);
}
