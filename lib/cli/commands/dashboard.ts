import type { Command } from '../context';
import { CommandError } from '../terminal';

/** Opens the page on loopback, until it is stopped. */
export const dashboardCommand: Command<{ readonly port?: string }> = async () => {
  throw new CommandError('not yet');
};
