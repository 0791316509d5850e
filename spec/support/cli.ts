import { Writable } from 'node:stream';
import { run } from '../../lib/cli/run';
import { chosen, openSource } from '../../lib/cli/source';

type Open = NonNullable<Parameters<typeof run>[2]>;

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** What was printed, with `--json`. */
  readonly json: any;
}

export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly env?: Record<string, string>;
}

/** Runs the command line in this process: by these models, or by those that are found by `--uri`. */
export async function commandLine(
  argv: readonly string[],
  models: readonly object[] | null = null,
  { isTTY = false, columns = 80, env = {} }: Screen = {},
): Promise<Outcome> {
  const stdout = new Screenful(isTTY, columns);
  const stderr = new Screenful(isTTY, columns);
  const open = () => ({ models: models as Parameters<typeof chosen>[0], isFound: false, close: async () => {} });
  const by: Open = models ? async () => open() : openSource;
  const code = await run(argv, { stdout, stderr, env }, by);
  const isJson = argv.includes('--json');

  return { code, out: stdout.text, err: stderr.text, json: isJson ? JSON.parse(stdout.text) : null };
}

class Screenful extends Writable {
  text = '';

  constructor(
    readonly isTTY: boolean,
    readonly columns: number,
  ) {
    super();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
