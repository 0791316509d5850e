import { lineOf } from '../values/describe';
import { shownId } from '../values/id';
import type { TaskLogger } from '../worker/log';
import { common } from './nest';

/** What the lines of a worker have. */
interface Fields {
  readonly model?: string;
  readonly task?: unknown;
  readonly attempt?: number;
  readonly ms?: number;
  readonly err?: unknown;
}

/** Writes the lines of a worker with Nest's logger, under the name of its processor. */
export function nestLogger(context: string): TaskLogger {
  const logger = new common.Logger(context);

  return {
    debug: (fields, message) => logger.debug(line(fields, message)),
    info: (fields, message) => logger.log(line(fields, message)),
    warn: (fields, message) => logger.warn(line(fields, message)),
    error: (fields, message) => logger.error(line(fields, message), stackOf(fields)),
  };
}

function line({ model, task, attempt, ms, err }: Fields, message: string): string {
  const about = model === undefined ? '' : `: ${model} ${shownId(task)}, attempt ${attempt}`;
  const time = ms === undefined ? '' : `, ${ms} ms`;
  const reason = err === undefined ? '' : `: ${lineOf(err)}`;

  return message + about + time + reason;
}

function stackOf({ err }: Fields): string | undefined {
  return err instanceof Error ? err.stack : undefined;
}
