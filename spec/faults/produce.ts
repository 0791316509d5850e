import { setTimeout as sleep } from 'node:timers/promises';
import { Types } from 'mongoose';
import type { PushOptions } from 'mongoose-task-queue';
import { randomFrom } from '../support/random';
import type { Intent, Needs } from './events';
import type { Part } from './handler';
import { LANDED_MS } from '../../lib/server/retry-later';
import { FATES, type Fate } from './tasks';

export interface Production extends Part {
  readonly seed: number;
  readonly forMs: number;
  /** Called after the first push that was acknowledged. */
  onPushed(): void;
}

/** Pushes under way at once: some wait for a majority that is long in coming. */
const PUSHING = 3;
const PAUSE_MS = 300;
/** A process that lives so long has marked what a task waits for whose push was not acknowledged. */
const MARKED_MS = 2 * LANDED_MS;
/** How long a handler takes at the most, but for those that outlast their leases. */
const MAX_MS = 250;
/** Tasks that later ones may refer to. */
const REMEMBERED = 20;
const NOTHING: Needs = { all: [], any: [], broken: [] };

interface Known {
  readonly id: string;
  readonly ends: Intent['ends'];
}

/** Pushes tasks of all kinds, and says before each push what is asked and after it what was acknowledged. */
export async function produce(production: Production): Promise<void> {
  const { note, ending, forMs } = production;
  const producer = new Producer(production);
  const deadline = performance.now() + forMs;
  let complainedAt = Number.NEGATIVE_INFINITY;
  const push = async () => {
    while (!ending.aborted && performance.now() < deadline) {
      // What was not acknowledged may be in the queue or not: nothing is said about it, and nothing refers to it.
      await producer.next().catch((error: unknown) => {
        complainedAt = performance.now();
        note({ name: 'complained', text: String(error) });
      });
      await sleep(PAUSE_MS * producer.random());
    }
  };
  await Promise.all(Array.from({ length: PUSHING }, push));
  // One that ended before would leave such tasks to their re-checks.
  await sleep(Math.max(0, complainedAt + MARKED_MS - performance.now()));
}

class Producer {
  readonly random: () => number;
  readonly #known: Known[] = [];
  #pushes = 0;
  #hasPushed = false;

  constructor(private readonly production: Production) {
    this.random = randomFrom(production.seed);
  }

  next(): Promise<unknown> {
    this.#pushes++;
    if (this.#pushes === 1) return this.#pushRecurring();
    const choice = this.random();
    if (choice < 0.3 || this.#known.length < 4) return this.#pushPlain(1);
    if (choice < 0.45) return this.#pushPlain(4);
    // These come due whatever keeps the next pushes from being acknowledged.
    if (choice < 0.55) return this.#pushPlain(this.#upTo(8), { delayMs: 1_500 + this.#upTo(3_000) });
    if (choice < 0.63) return this.#pushPlain(1, { key: `key-${this.#pushes % 3}` });
    if (choice < 0.7 && this.production.hasTransactions) return this.#pushInTransaction();

    return this.#pushStep();
  }

  async #pushPlain(count: number, options: PushOptions = {}): Promise<void> {
    const { Plain } = this.production.tasks;
    // With a key the task may be another's, of another fate: it is only known once the push has told which.
    const inputs = Array.from({ length: count }, () => this.#input(options.key === undefined ? undefined : 'finish'));
    this.#announce(inputs, options.delayMs ?? 0);
    const pushed = count === 1 ? [await Plain.push(inputs[0]!, options)] : await Plain.push(inputs, options);
    this.#acknowledge(pushed.map(({ id, fate }) => ({ id, fate })));
  }

  async #pushStep(): Promise<void> {
    const { Step } = this.production.tasks;
    const pick = (ends: Intent['ends'], count: number) => this.#pick(ends, count);
    const choice = this.random();
    const needs: Needs =
      choice < 0.5
        ? { ...NOTHING, all: pick('FINISHED', this.#upTo(3)) }
        : choice < 0.6
          ? { ...NOTHING, all: [...pick('FINISHED', 1), ...pick('FAILED', 1)] }
          : choice < 0.8
            ? { ...NOTHING, any: this.#alternatives() }
            : { ...NOTHING, broken: pick('FAILED', 1), all: pick('FINISHED', 1) };
    const input = this.#input('finish');
    this.#announce([input], 0, needs);
    const step = await Step.push({ ...input, all: [...needs.all], any: [...needs.any], broken: [...needs.broken] });
    this.#pushed(step.id as string);
  }

  async #pushInTransaction(): Promise<unknown> {
    const { connection, tasks } = this.production;
    const inputs = [this.#input(), this.#input()];
    this.#announce(inputs, 0);
    const isAborted = this.random() < 0.3;
    const committed = connection.transaction(async (session) => {
      for (const input of inputs) await tasks.Plain.push(input, { session });
      if (isAborted) throw new Error('aborted');
    });
    if (isAborted) return committed.catch(() => {});

    await committed;
    return this.#acknowledge(inputs.map(({ _id, fate }) => ({ id: _id.toHexString(), fate })));
  }

  async #pushRecurring(): Promise<void> {
    const { tasks, note } = this.production;
    const input = this.#input('finish');
    const task = input._id.toHexString();
    note({ name: 'pushing', task, ends: 'FINISHED', delayMs: 0, needs: NOTHING, recurs: true });
    const { id } = await tasks.Plain.push(input, { every: 1_000, key: 'recurring' });
    this.#pushed(id as string);
  }

  #upTo(most: number): number {
    return 1 + Math.floor(this.random() * most);
  }

  #input(fate?: Fate) {
    const chosen = fate ?? this.#fate();
    return {
      _id: new Types.ObjectId(),
      fate: chosen,
      ms: Math.floor(this.random() ** 2 * MAX_MS),
      isChanged: this.random() < 0.5,
    };
  }

  #fate(): Fate {
    const choice = this.random();
    if (choice < 0.5) return 'finish';
    if (choice < 0.53) return 'long';

    return FATES.filter((fate) => fate !== 'long' && fate !== 'finish')[Math.floor(this.random() * 5)]!;
  }

  #announce(inputs: readonly { _id: Types.ObjectId; fate: Fate }[], delayMs: number, needs = NOTHING): void {
    for (const { _id, fate } of inputs) {
      const ends = fate === 'fail' || this.#hasFailed(needs.all) ? 'FAILED' : 'FINISHED';
      this.production.note({ name: 'pushing', task: _id.toHexString(), ends, delayMs, needs, recurs: false });
    }
  }

  #hasFailed(ids: readonly string[]): boolean {
    return this.#known.some(({ id, ends }) => ends === 'FAILED' && ids.includes(id));
  }

  #acknowledge(pushed: readonly { id: string; fate: Fate }[]): void {
    for (const { id, fate } of pushed) {
      this.#pushed(id);
      this.#known.push({ id, ends: fate === 'fail' ? 'FAILED' : 'FINISHED' });
    }
    this.#known.splice(0, this.#known.length - REMEMBERED);
  }

  // Without one that is going to finish it would wait for ever.
  #alternatives(): string[] {
    const good = this.#pick('FINISHED', 1);

    return good.length > 0 ? [...this.#pick('FAILED', 1), ...good] : [];
  }

  #pushed(task: string): void {
    this.production.note({ name: 'pushed', task });
    if (!this.#hasPushed) this.production.onPushed();
    this.#hasPushed = true;
  }

  #pick(ends: Intent['ends'], count: number): string[] {
    const fitting = this.#known.filter((known) => known.ends === ends).map(({ id }) => id);
    const start = Math.floor(this.random() * fitting.length);

    return Array.from(
      { length: Math.min(count, fitting.length) },
      (_, index) => fitting[(start + index) % fitting.length]!,
    );
  }
}
