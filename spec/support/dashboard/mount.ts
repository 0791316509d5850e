import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { dashboard, type DashboardOptions } from '../../../lib/dashboard/dashboard';

/** A dashboard that a server of this process shows. */
export interface Mounted {
  /** Of the page, with the path and the slash at its end. */
  readonly origin: string;
  /** How many streams of changes are open. */
  listeners(): number;
  close(): Promise<void>;
}

/** Shows a dashboard at `path`: at the root by a plain server, else below that path of an Express application. */
export async function mount(path: '/' | `/${string}`, options: DashboardOptions): Promise<Mounted> {
  const board = dashboard(options);
  let listeners = 0;
  const app = path === '/' ? board.node : express().use(path, board.node);
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.endsWith('/api/events')) {
      listeners++;
      response.on('close', () => listeners--);
    }
    void app(request as never, response as never, undefined as never);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    origin: `http://127.0.0.1:${port}${path === '/' ? '' : path}/`,
    listeners: () => listeners,
    close: async () => {
      board.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Where the page shows a task. */
export function routeOf(model: string, id: unknown): string {
  return `${model}/task/${encodeURIComponent(JSON.stringify({ $oid: String(id) }))}`;
}
