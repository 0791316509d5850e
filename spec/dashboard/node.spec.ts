import { createServer, type IncomingMessage, request as send, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import mongoose, { Schema } from 'mongoose';
import { State, taskQueue } from 'mongoose-task-queue';
import { dashboard, type Dashboard } from 'mongoose-task-queue/dashboard';
import type { About, Acted, Overview, TaskPage } from '../../lib/dashboard/api';
import { send as sendAnswer } from '../../lib/dashboard/node';
import { idText } from '../../lib/inspect/ids';
import { useSmallPage } from '../support/board-page';
import { useDatabase } from '../support/database';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';

interface Running {
  readonly port: number;
  close(): Promise<unknown>;
}

type Start = (board: Dashboard, path: string) => Promise<Running>;

/** How each server is told to show a dashboard below a path. */
const SERVERS: Record<string, Start> = {
  'http of Node': async (board) => listening(createServer((request, response) => void board.node(request, response))),

  'Express 5': async (board, path) => {
    const app = express();
    app.use(path, board.node);
    return listening(createServer(app));
  },

  'Express 5 after express.json()': async (board, path) => {
    const app = express();
    app.use(express.json());
    app.use(path, board.node);
    return listening(createServer(app));
  },

  'Fastify 5': async (board, path) => {
    const app = fastify();
    app.all(`${path.replace(/\/$/, '')}/*`, (request, reply) => {
      reply.hijack();
      void board.node(Object.assign(request.raw, { body: request.body }), reply.raw);
    });
    if (path !== '/') app.get(path, (_, reply) => reply.redirect(`${path}/`));
    await app.listen({ port: 0, host: '127.0.0.1' });
    return { port: (app.server.address() as AddressInfo).port, close: () => closed(app.server) };
  },

  'Koa 3': async (board, path) => {
    const app = new Koa();
    app.use(async (context, next) => {
      if (!context.path.startsWith(path)) return next();
      context.respond = false;
      await board.node(context.req, context.res);
    });
    return listening(createServer(app.callback() as (request: IncomingMessage, response: ServerResponse) => void));
  },

  'Hono 4': async (board, path) => {
    const app = new Hono();
    app.all(`${path.replace(/\/$/, '')}/*`, (context) => board.fetch(context.req.raw));
    return new Promise((resolve) => {
      const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
        resolve({ port, close: () => closed(server as Server) }),
      );
    });
  },

  'Nest 12': async (board, path) => {
    const app = await NestFactory.create(Application, { logger: false });
    app.use(path, board.node);
    await app.listen(0, '127.0.0.1');
    const server = app.getHttpServer() as Server;
    return {
      port: (server.address() as AddressInfo).port,
      close: async () => {
        server.closeAllConnections();
        await app.close();
      },
    };
  },
};

class Hello {
  hello() {
    return 'hello';
  }
}
Get('hello')(Hello.prototype, 'hello', Object.getOwnPropertyDescriptor(Hello.prototype, 'hello')!);
Controller()(Hello);

class Application {}
Module({ controllers: [Hello] })(Application);

useSmallPage();

describe.each(Object.entries(SERVERS))('on %s', (name, start) => {
  const database = useDatabase('replicaSet');
  const make = () => database.connection.model('Email', taskQueue(new Schema({ to: String })));
  let Email: ReturnType<typeof make>;

  beforeAll(async () => {
    Email = make();
    await Email.ensureTaskIndexes();
  });
  beforeEach(() => Email.deleteMany({}));

  const paths = name === 'http of Node' ? ['/'] : ['/', '/admin/queues'];

  describe.each(paths)('at %s', (path) => {
    let board: Dashboard;
    let server: Running;
    let base: string;

    beforeAll(async () => {
      board = dashboard({ models: [Email], authorize: 'everyone' });
      server = await start(board, path);
      base = `http://127.0.0.1:${server.port}${path.replace(/\/$/, '')}/`;
    });
    afterAll(async () => {
      board.close();
      await server.close();
    });

    const get = (where: string, init?: RequestInit) => fetch(base + where, init);
    const read = async <T>(where: string) => (await (await get(where)).json()) as T;
    const act = (body: object) =>
      get('api/act', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

    it('serves the page, its files and its figures', async () => {
      const task = await Email.push({ to: 'ada@example.org' });
      const page = await get('');

      expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(await page.text()).toContain('assets/page-1.js');
      const script = await get('assets/page-1.js');
      expect(script.headers.get('cache-control')).toContain('immutable');
      expect(await script.text()).toContain('a page a page');
      expect((await read<About>('api/about')).models).toMatchObject([{ name: 'Email' }]);
      expect((await read<Overview>('api/overview')).queues).toMatchObject([{ model: 'Email', ready: 1 }]);
      const { rows } = await read<TaskPage>(`api/tasks?model=Email&q=${encodeURIComponent('to:ada@example.org')}`);
      expect(rows.map(({ id }) => id)).toEqual([idText(task._id)]);
      expect((await get('api/nothing')).status).toBe(404);
    });

    it('does what is sent', async () => {
      const task = await Email.push({ to: 'ada@example.org' });

      const response = await act({ action: 'cancel', model: 'Email', ids: [idText(task._id)] });

      expect(response.status).toBe(200);
      expect((await response.json()) as Acted).toEqual({ done: 1, skipped: [], more: false });
      expect((await Email.findById(task._id))!.state).toBe(State.CANCELLED);
    });

    it('tells of changes as they come, until the client has gone', async () => {
      const gone = new AbortController();
      const events = await get('api/events', { signal: gone.signal });
      const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader();
      let seen = '';
      const reading = (async () => {
        for (let part = await reader.read(); !part.done; part = await reader.read()) seen += part.value;
      })().catch(() => {});

      expect(events.headers.get('content-type')).toContain('text/event-stream');
      await eventually(async () => {
        await Email.push({});
        expect(seen).toContain('event: change\ndata: {"models":["Email"]}\n\n');
      });
      gone.abort();
      await reading;
    });

    it('sends who comes without the slash at its end there', async () => {
      if (path === '/') return;
      const response = await fetch(base.replace(/\/$/, ''), { headers: { accept: 'text/html' } });

      expect(response.url).toBe(base);
      expect(response.status).toBe(200);
    });
  });
});

describe('an answer to a client', () => {
  it('that has gone before it was ready ends its stream', async () => {
    const ended = deferred<void>();
    const server = await listening(
      createServer((_, response) => {
        response.once('close', () => {
          const stream = new ReadableStream({ cancel: () => ended.resolve() });
          void sendAnswer(new Response(stream), response, false);
        });
        socketOf(response).destroy();
      }),
    );

    await expect(fetch(`http://127.0.0.1:${server.port}/`)).rejects.toThrow();
    await ended.promise;
    await server.close();
  });

  it('that something else has answered is left out', async () => {
    const Model = mongoose.createConnection().model('Answered', taskQueue(new Schema({})));
    const board = dashboard({ models: [Model], authorize: 'everyone' });
    const done = deferred<string>();
    const server = await listening(
      createServer((request, response) => {
        response.writeHead(503).end('too late');
        board.node(request, response).then(
          () => done.resolve('answered'),
          (error: unknown) => done.resolve(String(error)),
        );
      }),
    );

    expect((await fetch(`http://127.0.0.1:${server.port}/api/about`)).status).toBe(503);
    expect(await done.promise).toBe('answered');
    await server.close();
  });

  it('that sends more than is taken is an error, and no broken connection', async () => {
    const Model = mongoose.createConnection().model('Large', taskQueue(new Schema({})));
    const board = dashboard({ models: [Model], authorize: 'everyone' });
    const server = await listening(createServer((request, response) => void board.node(request, response)));
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: `"${'x'.repeat(20_000_000)}"` };

    expect((await fetch(`http://127.0.0.1:${server.port}/api/act`, init)).status).toBe(413);
    await server.close();
  });
});

describe('behind a proxy that takes a prefix off', () => {
  const database = useDatabase();

  it('leads to itself by relative addresses alone', async () => {
    const Email = database.connection.model('Email', taskQueue(new Schema({ to: String })));
    await Email.ensureTaskIndexes();
    const board = dashboard({ models: [Email], authorize: 'everyone' });
    const inner = await listening(createServer((request, response) => void board.node(request, response)));
    const proxy = await listening(
      createServer((request, response) => {
        const path = request.url!.replace(/^\/ops/, '');
        const headers = { ...request.headers, 'x-forwarded-prefix': '/ops', host: `127.0.0.1:${inner.port}` };
        const passed = send({ port: inner.port, path, method: request.method, headers }, (answer) => {
          response.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(response);
        });
        request.pipe(passed);
      }),
    );
    const base = `http://127.0.0.1:${proxy.port}/ops/queues`;
    try {
      const page = await fetch(base);
      expect(page.url).toBe(`${base}/`);
      expect((await fetch(new URL('assets/page-1.js', page.url))).status).toBe(200);
      expect((await fetch(new URL('api/overview', page.url))).status).toBe(200);
      const body = JSON.stringify({ action: 'pause', model: 'Email' });
      const write = (headers: object) =>
        fetch(new URL('api/act', page.url), {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body,
        });
      // A browser says itself that page and address have one origin; the name that the proxy asks for tells nothing.
      expect((await write({ origin: `http://127.0.0.1:${proxy.port}`, 'sec-fetch-site': 'same-origin' })).status).toBe(
        200,
      );
      expect((await write({ origin: `http://127.0.0.1:${proxy.port}` })).status).toBe(403);
    } finally {
      board.close();
      await Promise.all([proxy.close(), inner.close()]);
    }
  });
});

function socketOf({ socket }: ServerResponse) {
  if (!socket) throw new Error('The response has no socket.');
  return socket;
}

function listening(server: Server): Promise<Running> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({ port: (server.address() as AddressInfo).port, close: () => closed(server) }),
    );
  });
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();

  return new Promise((resolve) => server.close(() => resolve()));
}
