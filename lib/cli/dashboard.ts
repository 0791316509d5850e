import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dashboard } from '../dashboard/index';
import type { Command } from './context';
import { wholeNumber } from './options';
import { CommandError } from './terminal';

const MAX_PORT = 65_535;

/** Opens the page for programs of this machine alone, until the command is stopped. */
export const dashboardCommand: Command<{ readonly port?: string }> = async ({ models, isFound, out }, _, options) => {
  const port = wholeNumber('port', options.port ?? '7070', 0, MAX_PORT);
  const board = dashboard({ models, readOnly: isFound });
  const server = createServer((request, response) => void board.node(request, response));
  const url = `http://127.0.0.1:${await listen(server, port)}/`;
  const stopped = Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));
  out.answer({ url, readOnly: isFound }, () => url);
  out.note(`${isFound ? 'Read only, because no file with models was named. ' : ''}Ctrl-C ends it.`);
  await stopped;
  board.close();
  server.close();
  server.closeAllConnections();

  return 0;
};

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening').catch((error: { code?: string; message: string }) => {
    const isTaken = error.code === 'EADDRINUSE';
    throw new CommandError(isTaken ? `Port ${port} is taken: \`--port 0\` takes a free one.` : error.message);
  });

  return (server.address() as AddressInfo).port;
}
