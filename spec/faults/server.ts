import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { mongo } from 'mongoose';
import { binaryPath } from '../support/mongod';
import { eventually } from '../support/eventually';

const START_MS = 60_000;
const running = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A server whose process can be killed, frozen and started again on its data. */
export class Server {
  #child: ChildProcess | null = null;

  private constructor(
    readonly host: string,
    private readonly path: string,
    private readonly args: readonly string[],
  ) {}

  /** @param setName makes it a member of that replica set, which is still to be initiated. */
  static async start(folder: string, setName?: string): Promise<Server> {
    mkdirSync(folder, { recursive: true });
    const port = await freePort();
    const ofFiles = ['--dbpath', folder, '--logpath', join(folder, 'log'), '--logappend'];
    const ofSize = ['--wiredTigerCacheSizeGB', '0.25', '--setParameter', 'diagnosticDataCollectionEnabled=false'];
    // What a transaction has written that a killed process left open stays out of reach for so long.
    const ofTransactions = ['--setParameter', 'transactionLifetimeLimitSeconds=3'];
    const ofSet = ['--replSet', setName ?? '', '--oplogSize', '64', '--setParameter', 'enableTestCommands=1'];
    const args = [
      '--bind_ip',
      '127.0.0.1',
      '--port',
      String(port),
      ...ofFiles,
      ...ofSize,
      ...ofTransactions,
      ...(setName ? ofSet : []),
    ];
    const server = new Server(`127.0.0.1:${port}`, await binaryPath(), args);
    await server.start();

    return server;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  async start(): Promise<void> {
    const child = spawn(this.path, this.args, { stdio: 'ignore' });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    await eventually(() => this.command({ ping: 1 }), { timeoutMs: START_MS });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /** One command to this very server, by a connection of its own. */
  async command(command: mongo.Document): Promise<mongo.Document> {
    const client = new mongo.MongoClient(`mongodb://${this.host}/?directConnection=true`, {
      serverSelectionTimeoutMS: 2_000,
    });
    try {
      return await client.db('admin').command(command);
    } finally {
      await client.close();
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');

  return port;
}
