import { Command as Program, CommanderError, Option } from 'commander';
import { packageVersion } from '../dashboard/version';
import { InvalidOptionError } from '../errors';
import { isMissingIndex } from '../server/transient';
import { cancelCommand, retryCommand } from './act';
import { dashboardCommand } from './dashboard';
import { doctorCommand } from './doctor';
import { listCommand } from './list';
import { pauseCommand, resumeCommand } from './pause';
import { showCommand } from './show';
import { statsCommand } from './stats';
import { whyCommand } from './why';
import { workersCommand } from './workers';
import type { Command } from './context';
import { chosen, openSource, type Source, type SourceOptions } from './source';
import { CommandError, Output, type Terminal, UsageError } from './terminal';

const DONE = 0;
const WRONG = 1;
const USAGE = 2;

interface GlobalOptions extends SourceOptions {
  readonly model?: readonly string[];
}

/** Runs one command. Resolves to the exit code: 0, 1 where something is wrong, 2 where it was used wrongly. */
export async function run(
  argv: readonly string[],
  terminal: Terminal,
  open: (options: SourceOptions) => Promise<Source> = openSource,
): Promise<number> {
  const out = new Output(terminal, argv.includes('--json'));
  let code = DONE;
  const program = makeProgram(terminal, async (command, words, options) => {
    const source = await open(options);
    try {
      const models = chosen(source.models, options.model);
      code = await command({ models, isFound: source.isFound, out }, words, options as never);
    } finally {
      await source.close();
    }
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    return report(out, error as Error);
  }
}

type Perform = (command: Command<never>, words: readonly string[], options: GlobalOptions) => Promise<void>;

function makeProgram({ stdout, stderr }: Terminal, perform: Perform): Program {
  const program = new Program('mongoose-task-queue')
    .description('Looks at task queues in MongoDB, and steers them.')
    .version(packageVersion())
    .addOption(new Option('--uri <uri>', 'the database, as mongodb://host/database').env('MONGODB_URI'))
    .option(
      '--require <file>',
      'a file that defines your models: CommonJS, ES modules, or TypeScript where Node loads it; may be repeated',
      collect,
    )
    .option('--model <name>', 'only this queue, by the name of its model or collection; may be repeated', collect)
    .option('--json', 'one JSON value instead of texts and tables')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) })
    .exitOverride();
  const add = <Options>(usage: string, about: string, command: Command<Options>) =>
    program
      .command(usage)
      .description(about)
      .action(async (...given: unknown[]) => {
        const self = given.at(-1) as Program;
        await perform(command as Command<never>, self.processedArgs.flat() as string[], self.optsWithGlobals());
      });
  addReading(add);
  addSteering(add);

  return program;
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

type Add = <Options>(usage: string, about: string, command: Command<Options>) => Program;

function addReading(add: Add): void {
  add('stats', 'how many tasks there are, and in which states', statsCommand);
  add('list [words...]', 'tasks by state and query words: `list --state failed to:ada@example.org`', listCommand)
    .option('--state <state>', 'ready, delayed, blocked, running, failed, … (default: all that have not ended)')
    .option('--limit <number>', 'at most so many of each queue, up to 200', '20')
    .option('--sort <path>', 'an indexed path; `-path` for the other way round')
    .option('--after <place>', 'where the list before has ended');
  add('show <id>', 'all that is known of one task', showCommand);
  add('why <id>', 'why a task does not run', whyCommand);
  add('workers', 'who works the queues', workersCommand);
  add('doctor', 'what is wrong with the queues; exit code 1 for errors', doctorCommand)
    .option('--fix', 'repair what the queue can repair by itself')
    .option('--strict', 'exit code 1 for warnings, too');
  add('dashboard', 'opens the page on this machine alone', dashboardCommand).option(
    '--port <number>',
    'its port',
    '3000',
  );
}

function addSteering(add: Add): void {
  add(
    'retry [words...]',
    'queues failed and cancelled tasks again: by ids, or by `--state` and query words',
    retryCommand,
  )
    .option('--state <state>', 'failed (the default), cancelled, finished or delayed')
    .option('--delay <ms>', 'only after so many milliseconds', '0')
    .option('--limit <number>', 'at most so many', '10000')
    .option('--yes', 'do it for all that match, not only for those named by ids');
  add('cancel [words...]', 'ends tasks: by ids, or by `--state` and query words', cancelCommand)
    .option('--state <state>', 'ready, delayed, blocked, running, …')
    .option('--reason <text>', 'tells others why')
    .option('--limit <number>', 'at most so many', '10000')
    .option('--yes', 'do it for all that match, not only for those named by ids');
  add('pause', 'lets no task of a queue be claimed, in any process', pauseCommand)
    .option('--category <name>', 'only tasks of this category')
    .option('--reason <text>', 'tells others why');
  add('resume', 'ends a pause', resumeCommand).option('--category <name>', 'that of this category');
}

function report(out: Output, error: Error): number {
  // What is wrong with the words was said already, or nothing is: help and version.
  if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : USAGE;
  if (isMissingIndex(error)) {
    out.error(new CommandError('An index of the queue is missing: `doctor` names it, and `doctor --fix` creates it.'));
    return WRONG;
  }
  out.error(error);

  return error instanceof UsageError || error instanceof InvalidOptionError ? USAGE : WRONG;
}
