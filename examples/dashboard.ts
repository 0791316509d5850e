// A dashboard in a plain server of Node: who may do what, what is hidden, and what a program can ask it.
// Run it with: npm run example -- dashboard
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect, disconnect, model, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { dashboard } from 'mongoose-task-queue/dashboard';

const Letter = model('Letter', taskQueue(new Schema({ to: String, pin: String })));

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/dashboard');
  await Letter.deleteMany();
  await Letter.ensureTaskIndexes();
  const [ada, bob] = await Letter.push([
    { to: 'ada@example.org', pin: '1234' },
    { to: 'bob@example.org', pin: '5678' },
  ]);
  await bob!.fail(new Error('no such address'));

  const board = dashboard({
    models: [Letter],
    // Everybody looks, operators act. A framework's request has its user; here a header stands for it.
    authorize: (request, action) => action === 'view' || roleOf(request) === 'operator',
    hide: ['pin'],
    audit: ({ action, done }) => console.log(`${action}: ${done}`),
  });
  const server = createServer((request, response) => void board.node(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

  const ask = async (where: string) => (await (await fetch(base + where)).json()) as { rows: { summary: string }[] };
  console.log('ready:', (await ask('api/tasks?model=Letter&state=ready')).rows.map(({ summary }) => summary).join());
  console.log('found:', (await ask('api/tasks?model=Letter&state=FAILED&q=error:address')).rows.length);

  const act = (role: string) =>
    fetch(`${base}api/act`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', role },
      body: JSON.stringify({ action: 'retry', model: 'Letter', state: 'FAILED' }),
    });
  console.log('a visitor:', (await act('visitor')).status);
  console.log('an operator:', (await act('operator')).status);
  console.log('ready now:', (await Letter.stats()).ready, ada!.state);

  board.close();
  server.close();
  server.closeAllConnections();
  await disconnect();
}

function roleOf(request: Request | { headers: Record<string, string | string[] | undefined> }): unknown {
  return request instanceof Request ? request.headers.get('role') : request.headers['role'];
}

void main();
