import { setTimeout as sleep } from 'node:timers/promises';
import { startProgram, type Child } from '../support/child';
import type { ProducerInput } from '../support/programs/soak-producer';
import type { Note } from './history';
import { leaseOf, type Mode } from './modes';
import type { ProgramInput } from './program';
import type { Role } from './roles';

/** A program that takes longer to end than this, once it may, stands still. */
const END_MS = 20_000;
const START_MS = 60_000;
/** How long a process works at least before it is killed. */
const WORK_MS = 1_500;

/** One place in the crew: a program, and those that took its place when it was killed. */
interface Post {
  readonly name: string;
  readonly program: 'soak-consumer' | 'soak-producer';
  readonly roles: readonly Role[];
  readonly uri: string;
  readonly shiftMs: number;
  generation: number;
  child: Child | null;
  process: string;
  isKilled: boolean;
}

export interface CrewOptions extends Pick<ProgramInput, 'folder' | 'seed'> {
  readonly mode: Mode;
  readonly note: Note;
  /** Where a program finds the server. */
  wayTo(): Promise<string>;
}

/** The processes of a run. */
export class Crew {
  readonly #consumers: Post[] = [];
  #producer!: Post;
  #generation = 0;
  #isEnding = false;

  private constructor(private readonly options: CrewOptions) {}

  static async hire(options: CrewOptions): Promise<Crew> {
    const crew = new Crew(options);
    const { mode, wayTo } = options;
    const shiftOf = (index: number) => mode.shiftsMs?.[index] ?? 0;
    for (const [index, roles] of mode.consumers.entries()) {
      const name = `consumer${index + 1}`;
      crew.#consumers.push(newPost(name, 'soak-consumer', roles, await wayTo(), shiftOf(index)));
    }
    crew.#producer = newPost('producer', 'soak-producer', [], await wayTo(), shiftOf(mode.consumers.length));
    for (const post of crew.#consumers) crew.#start(post);

    return crew;
  }

  /** The parts of processes that should be at work now. */
  get parts(): string[] {
    return this.#consumers.flatMap(({ process, roles }) => roles.map((role) => `${process}/${role}`));
  }

  /** Pushes tasks until the time is over, by one process after the other where they are killed. */
  async produce(forMs: number): Promise<void> {
    const deadline = performance.now() + forMs;
    for (let leftMs = forMs; leftMs > 300; leftMs = deadline - performance.now()) {
      const input: Pick<ProducerInput, 'forMs'> = { forMs: leftMs };
      const child = this.#start(this.#producer, input);
      const isOver = await Promise.race([child.exit, sleep(leftMs + START_MS, null, { ref: false })]);
      if (isOver) continue;
      this.options.note({ name: 'gone', process: this.#producer.process, isKilled: false, text: 'it did not end' });
      child.kill('SIGKILL');
    }
  }

  async killConsumer(target: number): Promise<void> {
    await this.#kill(this.#consumers[Math.floor(target * this.#consumers.length)]!);
  }

  async killProducer(): Promise<void> {
    await this.#kill(this.#producer);
  }

  async freezeConsumer(target: number, forMs: number): Promise<void> {
    const { child } = this.#consumers[Math.floor(target * this.#consumers.length)]!;
    child?.kill('SIGSTOP');
    await sleep(forMs);
    child?.kill('SIGCONT');
  }

  /** Asks all to end, and ends those who do not. */
  async dismiss(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(
      this.#consumers.map(async ({ child, process }) => {
        child?.kill('SIGTERM');
        if (!child || (await Promise.race([child.exit, sleep(END_MS, null, { ref: false })]))) return;
        this.options.note({ name: 'gone', process, isKilled: false, text: `it did not end within ${END_MS} ms` });
        child.kill('SIGKILL');
        await child.exit;
      }),
    );
  }

  async #kill(post: Post): Promise<void> {
    const { child } = post;
    if (!child) return;
    // A process that has done little yet is no loss, and on a busy machine there would be no others.
    await child.line((message) => 'ready' in message);
    await sleep(WORK_MS);
    if (post.child !== child || post.isKilled) return;
    post.isKilled = true;
    this.options.note({ name: 'killed', process: post.process });
    child.kill('SIGKILL');
    await child.exit;
  }

  #start(post: Post, more: object = {}): Child {
    const { mode, folder, seed, note } = this.options;
    const process = `${post.name}.${++post.generation}`;
    const common: ProgramInput = {
      uri: post.uri,
      folder,
      name: process,
      seed: seed + 31 * ++this.#generation,
      hasTransactions: mode.servers !== 'standalone',
      journal: mode.servers === 'standalone',
      leaseMs: leaseOf(mode),
      recheckMs: mode.recheckMs,
      shiftMs: post.shiftMs,
      roles: post.roles,
    };
    const child = startProgram(post.program, { ...common, ...more });
    Object.assign(post, { child, process, isKilled: false });
    void child.exit.then(({ code, signal }) => {
      const { isKilled } = post;
      if (post.child === child) post.child = null;
      const text = code === 0 ? '' : `${signal ?? code} ${child.stderr}`;
      if (text || isKilled) note({ name: 'gone', process, isKilled, text });
      // Another takes its place, also that of one that ended by itself, which is told above.
      if (post.program === 'soak-consumer' && !this.#isEnding) this.#start(post);
    });

    return child;
  }
}

function newPost(name: string, program: Post['program'], roles: readonly Role[], uri: string, shiftMs: number): Post {
  return { name, program, roles, uri, shiftMs, generation: 0, child: null, process: name, isKilled: false };
}
