import progress from 'cli-progress';
import Table from 'cli-table3';
import { createColors } from 'picocolors';

/** Where the command line writes: what a process has as `stdout` and `stderr`. */
export interface Stream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** What a column of a table holds. */
export type Cell = string | number | null;

export interface Terminal {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The command line was used wrongly: nothing was done. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** What was asked for could not be done, or is not there. */
export class CommandError extends Error {
  override name = 'CommandError';
}

const NO_BORDERS = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid', 'middle']
    .flatMap((one) => [one, `${one}-mid`, `${one}-left`, `${one}-right`])
    .map((name) => [name, '']),
);
const NARROWEST = 20;

/** Prints answers: for people as texts and tables, with `--json` as one JSON value. */
export class Output {
  readonly paint: ReturnType<typeof createColors>;

  constructor(
    private readonly terminal: Terminal,
    readonly isJson: boolean,
  ) {
    const { stdout, env } = terminal;
    this.paint = createColors(stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb');
  }

  /** The answer of a command: `value` with `--json`, else the text that `text` makes. */
  answer(value: unknown, text: () => string): void {
    const shown = this.isJson ? JSON.stringify(value, null, 2) : text();
    this.terminal.stdout.write(shown.endsWith('\n') ? shown : `${shown}\n`);
  }

  /** A line beside the answer, for people alone. */
  note(text: string): void {
    if (!this.isJson) this.terminal.stderr.write(`${text}\n`);
  }

  error(error: Error): void {
    if (this.isJson) this.answer({ error: { code: error.name, message: error.message } }, () => '');
    else this.terminal.stderr.write(`${this.paint.red('error')} ${error.message}\n`);
  }

  /** Columns under their heads. On a terminal the last column is cut to what fits. */
  table(head: readonly string[], rows: readonly (readonly Cell[])[], right: readonly string[] = []): string {
    const cells = rows.map((row) => row.map((cell) => (cell === null ? '' : String(cell))));
    const table = new Table({
      head: head.map((name) => this.paint.dim(name)),
      chars: NO_BORDERS,
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
      colAligns: head.map((name) => (right.includes(name) ? 'right' : 'left')),
      colWidths: this.#widths(head, cells),
    });
    table.push(...cells);

    return table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n');
  }

  #widths(head: readonly string[], cells: readonly string[][]): (number | null)[] {
    const { isTTY, columns } = this.terminal.stdout;
    if (!isTTY || !columns) return head.map(() => null);
    const longest = (column: number) => Math.max(...[head, ...cells].map((row) => row[column]?.length ?? 0)) + 2;
    const others = head.slice(0, -1).reduce((sum, _, column) => sum + longest(column), 0);
    const last = Math.max(NARROWEST, columns - others - 1);

    return head.map((_, column) => (column === head.length - 1 && longest(column) > last ? last : null));
  }

  /** A bar for work that takes long, on a terminal alone. */
  progress(what: string): { at(done: number, of: number): void; end(): void } {
    const { stderr } = this.terminal;
    if (this.isJson || !stderr.isTTY) return { at() {}, end() {} };
    const bar = new progress.SingleBar(
      { format: `${what} {bar} {value} of {total}`, stream: stderr, clearOnComplete: true, hideCursor: true },
      progress.Presets.shades_classic,
    );
    bar.start(1, 0);

    return {
      at(done, of) {
        bar.setTotal(of);
        bar.update(done);
      },
      end: () => bar.stop(),
    };
  }
}
