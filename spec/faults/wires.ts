import { startProxy, type Proxy } from '../support/proxy';

/** The proxies between programs and their server, one for each program that asks for one. */
export class Wires {
  readonly #proxies: Proxy[] = [];

  constructor(private readonly uri: string) {}

  /** A way to the server that can fail by itself. */
  async lay(): Promise<string> {
    const proxy = await startProxy(this.uri);
    this.#proxies.push(proxy);

    return proxy.uri;
  }

  /** One of them, by a number from 0 to 1. */
  pick(target: number): Proxy | undefined {
    return this.#proxies[Math.floor(target * this.#proxies.length)];
  }

  async close(): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }
}
