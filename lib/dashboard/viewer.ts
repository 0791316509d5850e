import type { AnyModel } from '../definition/definition';
import { clearInterval, clearTimeout, setInterval, setTimeout } from '../timers';
import type { Change } from './api';

/** At most one event in this time, in milliseconds. */
const APART_MS = 1_000;
/** So often something is sent anyhow, in milliseconds, so that proxies do not close the connection. */
const ALIVE_MS = 15_000;
/** After so long, in milliseconds, the connection is closed. The page opens it again at once, and its rights are asked for anew. */
const LIFE_MS = 10 * 60_000;

/** Somebody who looks at a dashboard: gets told which of the models changed, as server-sent events. */
export class Viewer {
  readonly stream: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  readonly #changed = new Set<string>();
  readonly #names: ReadonlySet<string>;
  readonly #encoder = new TextEncoder();
  readonly #alive: NodeJS.Timeout;
  readonly #life: NodeJS.Timeout;
  #apart: NodeJS.Timeout | null = null;
  #hasEnded = false;

  constructor(
    models: readonly AnyModel[],
    private readonly onEnd: () => void,
  ) {
    this.#names = new Set(models.map(({ modelName }) => modelName));
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#send(),
      cancel: () => this.#leave(),
    });
    this.#write('retry: 3000\n\n');
    this.#alive = setInterval(() => this.#isReading && this.#write(': still here\n\n'), ALIVE_MS).unref();
    this.#life = setTimeout(() => this.end(), LIFE_MS).unref();
  }

  tell(models: readonly AnyModel[]): void {
    for (const { modelName } of models) if (this.#names.has(modelName)) this.#changed.add(modelName);
    this.#send();
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#leave();
    this.#controller.close();
  }

  /** Whether what was sent before has been taken: to who does not read, nothing is piled up. */
  get #isReading(): boolean {
    return (this.#controller.desiredSize ?? 0) > 0;
  }

  #send(): void {
    if (this.#hasEnded || this.#apart || this.#changed.size === 0 || !this.#isReading) return;
    const change: Change = { models: [...this.#changed] };
    this.#changed.clear();
    this.#write(`event: change\ndata: ${JSON.stringify(change)}\n\n`);
    this.#apart = setTimeout(() => {
      this.#apart = null;
      this.#send();
    }, APART_MS).unref();
  }

  #write(text: string): void {
    this.#controller.enqueue(this.#encoder.encode(text));
  }

  #leave(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearInterval(this.#alive);
    clearTimeout(this.#life);
    clearTimeout(this.#apart ?? undefined);
    this.onEnd();
  }
}
