import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { COVERED } from './covered';

const LIB = join(__dirname, '../lib');

/** From the top to the bottom: a file imports from its own room and from those further down. docs/design.md describes them. */
const FLOORS = [
  'index',
  'plugin',
  'worker',
  'model',
  'queue',
  'pop',
  'push',
  'stats',
  'waiting',
  'settle',
  'claim',
  'indexes',
  'side',
  'dependencies',
  'notify',
  'server',
  'task',
  'definition',
  'options',
  'retention',
  'declare',
  'schedule',
  'backoff',
  'fields',
  'batcher',
  'mongoose',
  'any',
  'values',
  'timers',
  'errors',
];

const FEWEST_LINES = 12;
const MOST_LINES = 220;

interface SourceFile {
  /** From `lib`, without the extension. */
  readonly name: string;
  readonly text: string;
}

const files: SourceFile[] = readdirSync(LIB, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ name: path.replace(/\.ts$/, ''), text: readFileSync(join(LIB, path), 'utf8') }));

const roomOf = (name: string) => name.split('/')[0]!;

function importsOf({ name, text }: SourceFile): string[] {
  const found = text.matchAll(/^(?:import|export)[^;]*? from '(\.[^']+)';/gm);

  return [...found].map(([, path]) => normalize(join(dirname(name), path!)));
}

function linesOf({ text }: SourceFile): number {
  return text.split('\n').length - 1;
}

describe('the house', () => {
  it('has every file in a room with a floor of its own', () => {
    expect(new Set(files.map(({ name }) => roomOf(name)))).toEqual(new Set(FLOORS));
  });

  it('has no import that runs up', () => {
    const floorOf = (name: string) => FLOORS.indexOf(roomOf(name));
    const up = files.flatMap((file) =>
      importsOf(file).flatMap((to) => (floorOf(to) < floorOf(file.name) ? [`${file.name} → ${to}`] : [])),
    );

    expect(up).toEqual([]);
  });

  it('has no file that is too long for one idea, or too short for a name of its own', () => {
    const odd = files.filter((file) => linesOf(file) < FEWEST_LINES || linesOf(file) > MOST_LINES);

    expect(odd.map((file) => `${file.name}: ${linesOf(file)}`)).toEqual([]);
  });
});

describe('the specs', () => {
  const specs = readdirSync(__dirname, { recursive: true, encoding: 'utf8' }).flatMap((path) =>
    path.endsWith('.spec.ts') ? [path.replace(/\.spec\.ts$/, '')] : [],
  );

  it('have one for every file, by its name or by the list of the others', () => {
    const without = files.map(({ name }) => name).filter((name) => !specs.includes(name));

    expect(without.toSorted()).toEqual(Object.keys(COVERED).toSorted());
  });

  it('that the list names are there', () => {
    expect(Object.values(COVERED).filter((name) => name !== 'types' && !specs.includes(name))).toEqual([]);
  });
});
