import { type Diagnosis, doctor, type Finding } from '../doctor/index';
import { type Command, refuseFound } from './context';
import type { Output } from './terminal';
import { count } from './words';

export interface DoctorCommandOptions {
  readonly fix?: boolean;
  readonly strict?: boolean;
}

const PARTIAL =
  'The models were not named: what tasks wait for, their marks and what else only schemas say was not looked at. Name them by --require.';

/** Looks for what is wrong with the queues. Exit code 1 if errors are left; with `strict` also for warnings. */
export const doctorCommand: Command<DoctorCommandOptions> = async (context, _, { fix = false, strict = false }) => {
  const { out, models, isFound } = context;
  if (fix) refuseFound(context, 'doctor --fix');
  const bar = out.progress('checks');
  const diagnoses = await doctor(models, { fix, partial: isFound, onProgress: bar.at }).finally(bar.end);
  const left = diagnoses.flatMap(({ findings }) => findings).filter(({ fixed }) => fixed !== true);
  const ok = !left.some(({ severity }) => strict || severity === 'error');
  out.answer({ ok, checks: diagnoses }, () =>
    [
      ...diagnoses.map((one) => shown(out, one)),
      summary(out, diagnoses, left, fix || isFound),
      ...(isFound ? [out.paint.dim(PARTIAL)] : []),
    ].join('\n'),
  );

  return ok ? 0 : 1;
};

function shown({ paint }: Output, { check, about, ok, findings, notes }: Diagnosis): string {
  const isClean = findings.every(({ fixed }) => fixed === true);
  const sign = !ok ? paint.red('✗') : isClean ? paint.green('✓') : paint.yellow('!');
  const lines = findings.flatMap(({ model, text, hint, fixed }) => [
    `    ${paint.bold(model)}: ${text}${fixed === true ? paint.green(' — repaired') : fixed === false ? paint.red(' — left') : ''}`,
    ...(fixed === true ? [] : [paint.dim(`      ${hint}`)]),
  ]);

  return [`${sign} ${check.padEnd(11)} ${paint.dim(about)}`, ...lines, ...notes.map((note) => `    ? ${note}`)].join(
    '\n',
  );
}

function summary({ paint }: Output, all: readonly Diagnosis[], left: readonly Finding[], hasFixed: boolean): string {
  const repaired = all.flatMap(({ findings }) => findings).length - left.length;
  const errors = left.filter(({ severity }) => severity === 'error').length;
  const parts = [
    ...(repaired > 0 ? [`${repaired} repaired`] : []),
    ...(errors > 0 ? [paint.red(count(errors, 'error'))] : []),
    ...(left.length > errors ? [paint.yellow(count(left.length - errors, 'warning'))] : []),
  ];
  const hint = left.length > 0 && !hasFixed ? '; `--fix` repairs what the queue can repair by itself' : '';

  return `\n${parts.length === 0 ? paint.green('All is well') : parts.join(', ')}${hint}.`;
}
