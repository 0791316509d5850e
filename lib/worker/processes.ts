import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { clearTimeout, monotonic, setTimeout } from '../timers';
import { MAX_TIMER_MS, refuseUnknown, requireBoolean, requireInteger, requireText } from '../values/check';
import { Emitter } from './emitter';
import { SIGNALS } from './options';

/** Options of `runWorkers()`. */
export interface RunWorkersOptions {
  /** How many processes run the file, from 1 to 1 000. Default: one for each processor. */
  processes?: number | undefined;

  /** Whether SIGTERM and SIGINT stop the processes. Default: `true`. */
  handleSignals?: boolean | undefined;

  /** How long `stop()` waits for the processes, in milliseconds, before it kills them. Default: 40 000. */
  stopTimeoutMs?: number | undefined;

  /** Arguments for the file. Default: none. */
  args?: readonly string[] | undefined;
}

/** What becomes of the processes. */
export interface WorkerProcessesEvents {
  /** A process runs, for the first time or again. */
  started: [pid: number];
  /** A process ended; it is started again unless all of them are being stopped. */
  exited: [pid: number, code: number | null, signal: NodeJS.Signals | null];
  /** All of them have ended after `stop()`. */
  stopped: [];
}

const KNOWN = ['processes', 'handleSignals', 'stopTimeoutMs', 'args'];
/** How long to wait before a process is started again, in milliseconds; the wait doubles when a process ends within SOON_MS. */
const FIRST_RESTART_MS = 1_000;
const MAX_RESTART_MS = 30_000;
const SOON_MS = 60_000;

/**
 * Runs a worker file in several processes, and starts a process again when it ends. `stop()` sends SIGTERM to each: give the workers
 * in the file `handleSignals: true`. In containers run one worker per container instead, and let the platform restart it.
 *
 * @throws {InvalidOptionError} for a wrong file or option.
 * @example
 * runWorkers(require.resolve('./worker'), { processes: 4 });
 */
export function runWorkers(file: string, options: RunWorkersOptions = {}): WorkerProcesses {
  refuseUnknown(options, KNOWN, 'runWorkers()');
  const { processes = availableParallelism(), handleSignals = true, stopTimeoutMs = 40_000, args = [] } = options;
  requireText('file', file, "`runWorkers(require.resolve('./worker'))`");
  requireInteger('processes', processes, 1, 1_000, '', '`processes: 4`');
  requireBoolean('handleSignals', handleSignals);
  requireInteger('stopTimeoutMs', stopTimeoutMs, 0, MAX_TIMER_MS, 'milliseconds', '`stopTimeoutMs: 40_000`');

  return new WorkerProcesses(file, [...args], processes, handleSignals, stopTimeoutMs);
}

/** The processes that `runWorkers()` started. */
export class WorkerProcesses extends Emitter<WorkerProcessesEvents> {
  readonly #children = new Set<ChildProcess>();
  readonly #restarts = new Set<NodeJS.Timeout>();
  #restartMs = FIRST_RESTART_MS;
  #stopping: Promise<void> | null = null;

  constructor(
    private readonly file: string,
    private readonly args: string[],
    count: number,
    handleSignals: boolean,
    private readonly stopTimeoutMs: number,
  ) {
    super();
    for (let index = 0; index < count; index++) this.#start();
    if (handleSignals) for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** Of the processes that run. */
  get pids(): number[] {
    return [...this.#children].flatMap(({ pid }) => pid ?? []);
  }

  /** Sends SIGTERM to every process, kills those that do not end within `stopTimeoutMs`, and resolves when all have. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#end();

    return this.#stopping;
  }

  #start(): void {
    const startedAt = monotonic();
    const child = fork(this.file, this.args);
    this.#children.add(child);
    child.once('spawn', () => this.emit('started', child.pid!));
    child.once('exit', (code, signal) => {
      this.#children.delete(child);
      this.emit('exited', child.pid!, code, signal);
      if (!this.#stopping) this.#restart(monotonic() - startedAt < SOON_MS);
    });
    child.once('error', () => {
      // A process that could not be started emits no `exit`.
      if (child.pid !== undefined || !this.#children.delete(child)) return;
      if (!this.#stopping) this.#restart(true);
    });
  }

  #restart(isSoon: boolean): void {
    if (!isSoon) this.#restartMs = FIRST_RESTART_MS;
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      this.#start();
    }, this.#restartMs);
    this.#restarts.add(timer);
    this.#restartMs = Math.min(this.#restartMs * 2, MAX_RESTART_MS);
  }

  async #end(): Promise<void> {
    for (const timer of this.#restarts) clearTimeout(timer);
    const children = [...this.#children];
    const ended = Promise.allSettled(children.map((child) => once(child, 'exit')));
    for (const child of children) child.kill('SIGTERM');
    const limit = setTimeout(() => children.forEach((child) => child.kill('SIGKILL')), this.stopTimeoutMs);
    await ended;

    clearTimeout(limit);
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    this.emit('stopped');
  }

  readonly #onSignal = (): void => void this.stop();
}
