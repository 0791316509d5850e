import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { deferred, type Deferred } from './deferred';

export interface Proxy {
  /** Like the server's, but through the proxy. */
  readonly uri: string;
  /**
   * Cuts the connection on which the next command of that name comes, after the server has carried it out and before its
   * answer arrives. Resolves when that has happened.
   */
  loseReplyTo(command: string): Promise<void>;
  /** From now on nothing passes, as when a cable is cut: neither side is told. */
  stall(): void;
  /** What was held back passes, and all that comes after it. */
  resume(): void;
  /** Each piece of data arrives so much later from now on. */
  slow(ms: number): void;
  /** Ends all connections: closed in good order, or reset as by a machine that knows nothing of them. */
  cut(how?: 'closed' | 'reset'): void;
  close(): Promise<void>;
}

const HEADER_BYTES = 16;
/** Header, flags, the kind of the first section, the length of its document and the type of that document's first field. */
const NAME_OFFSET = HEADER_BYTES + 4 + 1 + 4 + 1;
const OP_MSG = 2013;

/** Stands between a client and the server, for the one failure a server cannot be told to show: an answer that is lost. */
export async function startProxy(uri: string): Promise<Proxy> {
  const { hostname, port } = new URL(uri);
  const sockets = new Set<Socket>();
  let wanted: { command: string; done: Deferred<void> } | null = null;
  let held: (() => void)[] | null = null;
  let delayMs = 0;
  const pass = (target: Socket, chunk: Buffer) => {
    if (held) held.push(() => pass(target, chunk));
    else if (target.writable) target.write(chunk);
  };
  const late = new Map<Socket, { pieces: number; ms: number }>();
  // Whatever comes while some pieces are late is as late as they are: so all arrive in order.
  const passLate = (target: Socket, chunk: Buffer) => {
    const { pieces, ms } = late.get(target) ?? { pieces: 0, ms: delayMs };
    if (ms === 0) return pass(target, chunk);
    late.set(target, { pieces: pieces + 1, ms });
    setTimeout(() => {
      const { pieces: left } = late.get(target)!;
      if (left > 1) late.set(target, { pieces: left - 1, ms });
      else late.delete(target);
      pass(target, chunk);
    }, ms);
  };

  const listener = createServer((client) => {
    const server = connect(Number(port), hostname);
    const cut = () => [client, server].forEach((socket) => socket.destroy());
    let lost: Deferred<void> | null = null;
    let rest = Buffer.alloc(0);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', cut).on('close', () => (cut(), sockets.delete(socket)));
    }

    client.on('data', (chunk: Buffer) => {
      const { names, remainder } = commandsIn(Buffer.concat([rest, chunk]));
      rest = remainder;
      if (wanted && names.includes(wanted.command)) {
        lost = wanted.done;
        wanted = null;
      }
      passLate(server, chunk);
    });
    server.on('data', (chunk: Buffer) => {
      if (!lost) return passLate(client, chunk);
      cut();
      return lost.resolve();
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  return {
    uri: uri.replace(`${hostname}:${port}`, `127.0.0.1:${(listener.address() as AddressInfo).port}`),
    loseReplyTo(command) {
      wanted = { command, done: deferred() };
      return wanted.done.promise;
    },
    stall() {
      held ??= [];
    },
    resume() {
      const backlog = held ?? [];
      held = null;
      backlog.forEach((send) => send());
    },
    slow(ms) {
      delayMs = ms;
    },
    cut(how = 'closed') {
      for (const socket of sockets) {
        if (how === 'reset') socket.resetAndDestroy();
        else socket.destroy();
      }
    },
    async close() {
      sockets.forEach((socket) => socket.destroy());
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** The names of the commands that are complete in the bytes, and the bytes after them. */
function commandsIn(bytes: Buffer): { names: string[]; remainder: Buffer<ArrayBuffer> } {
  const names: string[] = [];
  let start = 0;
  while (bytes.length - start >= HEADER_BYTES && bytes.length - start >= bytes.readInt32LE(start)) {
    const message = bytes.subarray(start, start + bytes.readInt32LE(start));
    start += message.length;
    if (message.readInt32LE(12) !== OP_MSG) continue;
    names.push(message.toString('utf8', NAME_OFFSET, message.indexOf(0, NAME_OFFSET)));
  }

  return { names, remainder: Buffer.from(bytes.subarray(start)) };
}
