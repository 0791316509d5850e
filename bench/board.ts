import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dashboard } from 'mongoose-task-queue/dashboard';
import type { Task } from './tasks';

export interface Board {
  /** Its address, without a slash at the end. */
  readonly origin: string;
  close(): Promise<unknown>;
}

/** Serves the dashboard of a model at a free port. */
export async function serveBoard(model: Task): Promise<Board> {
  const board = dashboard({ models: [model], authorize: 'everyone', readOnly: true });
  const server = createServer((request, response) => void board.node(request, response));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));

  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      board.close();
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
}
