import type { IncomingMessage } from 'node:http';
import type { AnyModel } from '../definition/definition';
import { Refusal } from './answer';
import type { Action } from './api';
import type { ResolvedDashboard } from './options';

/** Who asks. */
export interface Caller {
  /** As it was given to `fetch()` or `node()`. */
  readonly given: IncomingMessage | Request;
  /** The address of the socket; null where it is not known. */
  readonly address: string | null;
  readonly headers: Headers;
}

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/;
const LOOPBACK_NAME = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
/** What proxies add to a request that they send on. */
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'];

/** What one request may do, asked at most once for each model and action. */
export class Access {
  readonly #asked = new Map<string, Promise<boolean>>();

  constructor(
    private readonly options: Pick<ResolvedDashboard, 'authorize' | 'view'>,
    private readonly caller: Caller,
  ) {}

  may(action: Action, model: AnyModel): Promise<boolean> {
    const key = JSON.stringify([action, model.modelName]);
    const asked = this.#asked.get(key) ?? this.#ask(action, model);
    this.#asked.set(key, asked);

    return asked;
  }

  /** @throws {Refusal} where it may not. */
  async require(action: Action, model: AnyModel): Promise<void> {
    if (await this.may(action, model)) return;
    throw new Refusal(403, 'not-allowed', this.#reason(`\`${action}\` of ${model.modelName} is not allowed to you.`));
  }

  /** The models that may be seen. */
  async visible(): Promise<AnyModel[]> {
    const { models } = this.options.view;
    const may = await Promise.all(models.map((model) => this.may('view', model)));

    return models.filter((_, index) => may[index]);
  }

  /** @throws {Refusal} where nothing may be seen. */
  async requireAny(): Promise<AnyModel[]> {
    const visible = await this.visible();
    if (visible.length === 0) throw new Refusal(403, 'not-allowed', this.#reason('Nothing here is allowed to you.'));

    return visible;
  }

  async #ask(action: Action, model: AnyModel): Promise<boolean> {
    const { authorize } = this.options;
    if (authorize === 'everyone') return true;
    if (authorize === null) return isLoopback(this.caller);

    // Not what is true by some accident, such as a promise in an object.
    return (await authorize(this.caller.given, action, model.modelName)) === true;
  }

  #reason(otherwise: string): string {
    return this.options.authorize === null
      ? 'This dashboard answers programs of its own machine alone. Give it `authorize: (request, action, model) => …` to open it for others.'
      : otherwise;
  }
}

/** Whether a program of this machine asks, under a name of this machine: a foreign page may have any other name lead here. */
function isLoopback({ given, address, headers }: Caller): boolean {
  if (address === null || !LOOPBACK.test(address)) return false;

  // By this version nobody asks but a proxy, which may say nothing else of itself.
  if ('httpVersion' in given && given.httpVersion === '1.0') return false;

  return LOOPBACK_NAME.test(headers.get('host') ?? '') && !FORWARDED.some((name) => headers.has(name));
}
