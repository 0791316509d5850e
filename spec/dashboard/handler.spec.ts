import { createServer, type IncomingMessage, request as send, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { createConnection, Schema } from 'mongoose';
import { InvalidOptionError, State, taskQueue } from 'mongoose-task-queue';
import { type AuditEntry, type Authorize, dashboard, type DashboardOptions } from 'mongoose-task-queue/dashboard';
import type { About } from '../../lib/dashboard/api';
import { idText } from '../../lib/inspect/ids';
import { useSmallPage } from '../support/board-page';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { beforeNext, stop } from '../support/interleave';

useSmallPage();

describe('a dashboard', () => {
  const database = useDatabase();
  const make = () => ({
    Email: database.connection.model(
      'Email',
      taskQueue(
        new Schema({
          to: String,
          secret: String,
          report: { type: Schema.Types.ObjectId, ref: 'Report', dependsOn: 'DIRECT' },
        } as Record<string, object>),
      ),
    ),
    Report: database.connection.model('Report', taskQueue(new Schema({ name: String }))),
  });
  let models: ReturnType<typeof make>;

  beforeAll(async () => {
    models = make();
    await Promise.all([models.Email.ensureTaskIndexes(), models.Report.ensureTaskIndexes()]);
  });
  beforeEach(async () => {
    await Promise.all([models.Email.deleteMany({}), models.Report.deleteMany({})]);
  });

  const boardOf = (options: Partial<DashboardOptions> = {}) =>
    dashboard({ models: [models.Email, models.Report], authorize: 'everyone', ...options });
  const ask = (board: ReturnType<typeof boardOf>, where: string, init?: RequestInit) =>
    board.fetch(new Request(`http://board.test/queues/${where}`, init));
  const post = (board: ReturnType<typeof boardOf>, name: string, body: unknown, headers: Record<string, string> = {}) =>
    ask(board, `api/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const codeOf = async (response: Response) =>
    `${response.status} ${((await response.json()) as { error: { code: string } }).error.code}`;
  const READS = [
    'about',
    'overview',
    'tasks?model=Email',
    'task?model=Email&id=',
    'graph?model=Email&id=',
    'schedules',
    'workers',
    'history?model=Email',
    'events',
  ];

  describe('without `authorize`', () => {
    it('refuses whatever comes by fetch(), which knows no address', async () => {
      const board = boardOf({ authorize: undefined });
      const task = await models.Email.push({});

      for (const name of ['', ...READS.map((one) => `api/${one}`)])
        expect(await codeOf(await ask(board, name))).toBe('403 not-allowed');
      expect(
        await codeOf(await post(board, 'act', { action: 'delete', model: 'Email', ids: [idText(task._id)] })),
      ).toBe('403 not-allowed');
      expect(await codeOf(await post(board, 'count', { action: 'delete', model: 'Email', state: '' }))).toBe(
        '403 not-allowed',
      );
      expect(await models.Email.countDocuments({})).toBe(1);
    });

    it('answers programs of this machine, under a name of this machine, and not those of whom a proxy says so', async () => {
      const board = boardOf({ authorize: undefined });
      const server = createServer((request, response) => void board.node(request, response));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const status = (headers: Record<string, string>) => statusOf(port, headers);
      try {
        expect(await status({ host: `localhost:${port}` })).toBe(200);
        expect(await status({ host: `127.0.0.1:${port}` })).toBe(200);
        // A page of another site can give its own name any address.
        expect(await status({ host: 'evil.test' })).toBe(403);
        // What no browser and no program of today speaks, but a proxy that says nothing of itself.
        expect(await oldStatusOf(port)).toContain('403');
        for (const name of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via', 'x-forwarded-host'])
          expect(await status({ host: 'localhost', [name]: '127.0.0.1' })).toBe(403);
      } finally {
        await closed(server);
      }
    });

    it.each([
      ['127.0.0.1', 200],
      ['::1', 200],
      ['::ffff:127.0.0.1', 200],
      ['10.0.0.5', 403],
      ['::ffff:10.0.0.5', 403],
      ['127.0.0.1.evil.test', 403],
      [undefined, 403],
    ])('judges by the address of the socket: %s', async (remoteAddress, status) => {
      const board = boardOf({ authorize: undefined });
      const server = createServer((request, response) => {
        Object.defineProperty(request.socket, 'remoteAddress', { value: remoteAddress, configurable: true });
        void board.node(request, response);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        expect(await statusOf((server.address() as AddressInfo).port, { host: 'localhost' })).toBe(status);
      } finally {
        await closed(server);
      }
    });
  });

  describe('with `authorize`', () => {
    it('answers others while it does not answer for some', async () => {
      const endless = new Promise<boolean>(() => {});
      const board = boardOf({
        authorize: (request: Request, action) => (action === request.headers.get('x-slow') ? endless : true),
      });
      const id = encodeURIComponent(idText((await models.Email.push({}))._id));
      for (let count = 0; count < 5; count++) {
        for (const where of ['overview', 'about', `task?model=Email&id=${id}`])
          for (const action of ['view', 'edit']) void ask(board, `api/${where}`, { headers: { 'x-slow': action } });
        void post(board, 'act', { action: 'resume', model: 'Email' }, { 'x-slow': 'resume' });
      }
      await new Promise(setImmediate);

      expect((await ask(board, 'api/overview')).status).toBe(200);
      expect((await ask(board, `api/task?model=Email&id=${id}`)).status).toBe(200);
      expect((await post(board, 'act', { action: 'resume', model: 'Email' })).status).toBe(200);
    });

    it('refuses when it throws, and says why to nobody but the log', async () => {
      const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
      const board = boardOf({
        authorize: () => {
          throw new Error('no session store at 10.0.0.5');
        },
      });
      for (const name of READS) {
        const response = await ask(board, `api/${name}`);
        expect(response.status).toBe(500);
        expect(await response.text()).not.toContain('10.0.0.5');
      }
      expect(String(warned.mock.calls[0]?.[0])).toContain('10.0.0.5');
      warned.mockRestore();
    });

    const may =
      (...allowed: string[]): Authorize =>
      (_request: unknown, action, model) =>
        allowed.includes(`${action} ${model}`);

    it('shows nothing of a model that may not be seen', async () => {
      const report = await models.Report.push({ name: 'quarter' });
      const email = await models.Email.push({ to: 'ada', report: report._id } as never);
      const board = boardOf({ authorize: may('view Email') });
      const id = encodeURIComponent(idText(email._id));
      const answers = [];
      for (const where of [
        'about',
        'overview',
        'tasks?model=Email',
        `task?model=Email&id=${id}`,
        `graph?model=Email&id=${id}`,
        'schedules',
        'workers',
      ])
        answers.push(await (await ask(board, `api/${where}`)).text());

      expect(answers.join('\n')).not.toContain('quarter');
      const { models: shown } = JSON.parse(answers[0]!) as About;
      expect(shown).toMatchObject([{ name: 'Email', actions: ['view'] }]);
      const graph = JSON.parse(answers[4]!) as { nodes: { model: string; state: unknown }[] };
      expect(graph.nodes.find(({ model }) => model === 'Report')).toMatchObject({ state: null, task: false });
      for (const where of ['tasks', 'history', 'schedules', `task?id=${id}&`, `graph?id=${id}&`])
        expect(await codeOf(await ask(board, `api/${where.includes('?') ? where : `${where}?`}model=Report`))).toBe(
          '403 not-allowed',
        );
      expect(await codeOf(await ask(board, 'api/tasks?model=Nothing'))).toBe('404 no-such-model');
    });

    it('asks for each action with each model, and writes nothing without a yes', async () => {
      const email = await models.Email.push({});
      const board = boardOf({ authorize: may('view Email', 'view Report', 'cancel Report') });
      const ids = [idText(email._id)];
      for (const action of ['retry', 'cancel', 'delete', 'requeue', 'run', 'unschedule', 'pause', 'resume'])
        for (const name of ['act', 'count'])
          expect(await codeOf(await post(board, name, { action, model: 'Email', ids }))).toBe('403 not-allowed');
      expect(await codeOf(await post(board, 'act', { action: 'edit', model: 'Email', ids, set: { to: 'x' } }))).toBe(
        '403 not-allowed',
      );

      expect((await models.Email.findById(email._id))!.state).toBe(State.CREATED);
      expect(await models.Email.paused()).toEqual([]);
    });

    it('does not let somebody act who may not see', async () => {
      const board = boardOf({ authorize: may('view Report', 'delete Email') });

      expect(await codeOf(await post(board, 'act', { action: 'delete', model: 'Email', state: '' }))).toBe(
        '403 not-allowed',
      );
    });

    it.each([
      ['a promise of true', async () => true, 200],
      ['what only looks like true', () => 1, 403],
      ['a promise in an object', () => ({ allowed: true }), 403],
      ['an error', () => Promise.reject(new Error('no session store')), 500],
    ])('takes for its word %s', async (_, authorize, status) => {
      const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
      const response = await ask(boardOf({ authorize }), 'api/overview');

      expect(response.status).toBe(status);
      // What went wrong is for the log.
      expect(await response.text()).not.toContain('session store');
      warned.mockRestore();
    });

    it('gives it the request as the server has it', async () => {
      const authorize = jest.fn((request: IncomingMessage & { user?: string }) => request.user === 'ada');
      const board = boardOf({ authorize });
      const server = createServer(
        (request, response) => void board.node(Object.assign(request, { user: request.headers['x-user'] }), response),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      try {
        expect(await statusOf(port, { 'x-user': 'ada' })).toBe(200);
        expect(await statusOf(port, { 'x-user': 'eve' })).toBe(403);
      } finally {
        await closed(server);
      }
    });
  });

  it('that only reads answers 405 to every write', async () => {
    const board = boardOf({ readOnly: true });
    await models.Email.push({});

    for (const action of ['delete', 'cancel', 'pause'])
      for (const name of ['act', 'count'])
        expect(await codeOf(await post(board, name, { action, model: 'Email', state: '' }))).toBe('405 read-only');
    const about = (await (await ask(board, 'api/about')).json()) as About;
    expect(about.models.map(({ actions }) => actions)).toEqual([['view'], ['view']]);
    expect(await models.Email.countDocuments({})).toBe(1);
  });

  it.each([
    [{ 'sec-fetch-site': 'same-origin' }, 200],
    [{ 'sec-fetch-site': 'none' }, 200],
    [{}, 200],
    [{ origin: 'http://board.test', host: 'board.test' }, 200],
    [{ origin: 'https://admin.test', 'sec-fetch-site': 'cross-site' }, 200],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site', origin: 'http://other.board.test' }, 403],
    [{ origin: 'http://evil.test', host: 'board.test' }, 403],
    [{ origin: 'null', host: 'board.test' }, 403],
    [{ origin: 'http://board.test.evil.test', host: 'board.test' }, 403],
    [{ 'content-type': 'text/plain' }, 415],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, 415],
  ] as [Record<string, string>, number][])('judges by whose page a write was sent: %j', async (headers, status) => {
    const board = boardOf({ allowedOrigins: ['https://admin.test'] });

    expect((await post(board, 'act', { action: 'resume', model: 'Email' }, headers)).status).toBe(status);
  });

  it('refuses what it cannot understand, and changes nothing', async () => {
    const board = boardOf();
    await models.Email.push({});

    for (const body of [
      '{',
      '5',
      '[]',
      '{}',
      { action: 'explode', model: 'Email', state: '' },
      { action: 'delete', model: 'Email', state: '', sudo: true },
      { action: 'delete', model: 'Email', state: 5 },
    ])
      expect([400, 404]).toContain((await post(board, 'act', body)).status);
    expect(await codeOf(await post(board, 'act', `{"action":"${'x'.repeat(1_100_000)}"}`))).toBe('413 too-large');
    expect(await codeOf(await ask(board, 'api/act'))).toBe('405 method');
    expect(await codeOf(await ask(board, 'api/tasks?model=Email', { method: 'DELETE' }))).toBe('405 method');
    for (const name of ['constructor', '__proto__', 'toString'])
      expect(await codeOf(await ask(board, `api/${name}`))).toBe('404 no-such-name');
    expect(await codeOf(await ask(board, 'api/tasks?model=Email&state=DONE'))).toBe('400 bad-request');
    expect(await codeOf(await ask(board, 'api/task?model=Email&id=5'))).toBe('404 no-such-task');
    expect(await codeOf(await ask(board, 'assets/..%2f..%2fpackage.json'))).toBe('404 no-such-file');
    expect(await models.Email.countDocuments({})).toBe(1);
  });

  it('tells `audit` who did what, but not what was typed into a field', async () => {
    const told: AuditEntry[] = [];
    const board = boardOf({ audit: (entry) => void told.push(entry) });
    const task = await models.Email.push({});
    const ids = [idText(task._id)];
    await post(board, 'act', { action: 'edit', model: 'Email', ids, set: { secret: 's3cret' } });
    await post(board, 'act', { action: 'cancel', model: 'Email', state: '', q: 'to:*', reason: 'stop' });
    await post(board, 'act', { action: 'pause', model: 'Email', reason: 'night' });
    await post(board, 'act', { action: 'resume', model: 'Email' });

    await eventually(() => expect(told).toHaveLength(4));
    expect(told).toMatchObject([
      { action: 'edit', model: 'Email', ids, paths: ['secret'], done: 1, skipped: 0 },
      { action: 'cancel', model: 'Email', filter: { state: '', q: 'to:*' }, reason: 'stop', done: 0, skipped: 0 },
      { action: 'pause', model: 'Email', reason: 'night', done: 1, skipped: 0 },
      { action: 'resume', model: 'Email', done: 1, skipped: 0 },
    ]);
    expect(told[0]!.request).toBeInstanceOf(Request);
    expect(JSON.stringify(told)).not.toContain('s3cret');
  });

  it('tells `audit` what was done before an action stopped half way', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const told: AuditEntry[] = [];
    const board = boardOf({ audit: (entry) => void told.push(entry) });
    await models.Email.push(Array.from({ length: 300 }, () => ({ to: 'ada' })) as never);
    let parts = 0;
    const between = beforeNext(
      models.Email,
      'deleteMany',
      () => stop(),
      () => ++parts === 2,
    );

    const response = await post(board, 'act', { action: 'delete', model: 'Email', state: '' });

    expect(between.happened).toBe(true);
    expect(response.status).toBe(500);
    await eventually(() => expect(told).toMatchObject([{ action: 'delete', done: 250, error: expect.any(String) }]));
    expect(await models.Email.countDocuments({})).toBe(50);
    warned.mockRestore();
  });

  it('goes on when `audit` throws', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const board = boardOf({ audit: () => Promise.reject(new Error('disk full')) });

    expect((await post(board, 'act', { action: 'resume', model: 'Email' })).status).toBe(200);
    await eventually(() => expect(String(warned.mock.calls[0]?.[0])).toContain('disk full'));
    warned.mockRestore();
  });

  it('says that the database is out of reach while its connection is closed, or was never opened', async () => {
    const closed = await createConnection(database.uri).asPromise();
    const never = createConnection();
    for (const connection of [closed, never]) {
      const schema = new Schema({ to: String }, { bufferTimeoutMS: 20 });
      const board = dashboard({ models: [connection.model('Email', taskQueue(schema))], authorize: 'everyone' });
      await connection.close();

      for (const name of ['tasks?model=Email', 'schedules', 'workers', 'history?model=Email'])
        expect(await codeOf(await ask(board, `api/${name}`))).toBe('503 no-database');
      const { queues } = (await (await ask(board, 'api/overview')).json()) as { queues: { error: string }[] };
      expect(queues).toMatchObject([{ error: 'The database is out of reach.' }]);
      board.close();
    }
  });

  it('sends with each answer what keeps other sites out of it', async () => {
    const board = boardOf();
    const page = await ask(board, '');
    const figures = await ask(board, 'api/overview');

    expect(page.headers.get('content-security-policy')).not.toContain('unsafe');
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'self'");
    expect(page.headers.get('cache-control')).toBe('no-store');
    for (const { headers } of [page, figures, await ask(board, 'assets/page-1.js')])
      expect([headers.get('x-content-type-options'), headers.get('referrer-policy')]).toEqual([
        'nosniff',
        'no-referrer',
      ]);
    expect(figures.headers.get('access-control-allow-origin')).toBeNull();
    expect((await ask(board, '', { method: 'HEAD' })).body).toBeNull();
  });

  it('leads a browser from where it is mounted into the folder, also below `/api`', async () => {
    const board = boardOf();
    const go = (url: string) => board.fetch(new Request(url, { headers: { accept: 'text/html' } }));

    expect((await go('http://board.test/api/queues?x=1')).headers.get('location')).toBe('./queues/');
    expect((await go('http://board.test/javascript:alert(1)')).headers.get('location')).toBe('./javascript:alert(1)/');
    expect((await go('http://board.test//evil.test')).headers.get('location')).toBe('./evil.test/');
  });

  it('is refused with options that mean something else', () => {
    const { Email } = models;
    for (const wrong of [
      {},
      { models: [] },
      { models: [Email, Email] },
      { models: [class {}] },
      { models: [Email], authorise: () => true },
      { models: [Email], authorize: true },
      { models: [Email], authorize: 'nobody' },
      { models: [Email], readOnly: 'yes' },
      { models: [Email], hide: { Letter: ['to'] } },
      { models: [Email], hide: [5] },
      { models: [Email], format: { Email: { to: 'short' } } },
      { models: [Email], allowedOrigins: ['admin.test'] },
      { models: [Email], allowedOrigins: ['https://admin.test/'] },
      { models: [Email], title: '' },
    ])
      expect(() => dashboard(wrong as never)).toThrow(InvalidOptionError);
  });
});

function oldStatusOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET /api/overview HTTP/1.0\r\nHost: localhost\r\n\r\n'),
    );
    socket.once('data', (data) => {
      resolve(data.toString().split('\r\n')[0]!);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

function statusOf(port: number, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    send({ port, host: '127.0.0.1', path: '/api/overview', headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    })
      .on('error', reject)
      .end();
  });
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();

  return new Promise((resolve) => server.close(() => resolve()));
}
