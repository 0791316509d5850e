import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

export type Message = Record<string, unknown>;

export interface Child {
  readonly pid: number;
  /** All messages so far. */
  readonly messages: readonly Message[];
  /** The first message that fits, whether it has come already or not. Fails when the program ends before. */
  line(fits: (message: Message) => boolean): Promise<Message>;
  kill(signal?: NodeJS.Signals): void;
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** What it has written there so far, for error messages. */
  readonly stderr: string;
}

const root = resolve(__dirname, '../..');
const running = new Set<Child>();

// A program that a failed spec left behind would keep taking tasks.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Starts `spec/support/programs/<name>.ts` in a process of its own. The program reads its input with `readInput` and
 * reports with `say` (see `programs/talk.ts`). There is no process in between: a signal reaches the program itself.
 */
export function startProgram(name: string, input: unknown = {}, env: NodeJS.ProcessEnv = {}): Child {
  const program = resolve(root, `spec/support/programs/${name}.ts`);
  const child = spawn(process.execPath, ['--require', 'tsx/cjs', program, JSON.stringify(input)], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`Could not start ${program}`);

  const messages: Message[] = [];
  const waiting = new Set<() => void>();
  const wakeAll = () => waiting.forEach((wake) => wake());
  let stderr = '';
  let ended: string | undefined;

  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  createInterface({ input: child.stdout }).on('line', (line) => {
    messages.push(parse(line));
    wakeAll();
  });
  const exit: Child['exit'] = new Promise((fulfil) => {
    // 'close' comes after the last line was read, 'exit' might come before it.
    child.on('close', (code, signal) => {
      ended = `${name} ended with ${signal ?? code}`;
      running.delete(handle);
      fulfil({ code, signal });
      wakeAll();
    });
  });

  const handle: Child = {
    pid,
    messages,
    line(fits) {
      return new Promise((fulfil, refuse) => {
        const look = () => {
          const message = messages.find(fits);
          if (message) fulfil(message);
          else if (ended) refuse(new Error(`${ended} before the awaited line\n${stderr}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      });
    },
    kill(signal = 'SIGTERM') {
      child.kill(signal);
    },
    exit,
    get stderr() {
      return stderr;
    },
  };
  running.add(handle);
  return handle;
}

function parse(line: string): Message {
  try {
    return JSON.parse(line) as Message;
  } catch {
    return { text: line }; // A stray print, kept because it may explain a failure.
  }
}
