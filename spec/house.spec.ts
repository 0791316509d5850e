import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { COVERED } from './covered';

const LIB = join(__dirname, '../lib');

/** From the top to the bottom: a file imports from its own room and from those further down. docs/design.md describes them. */
const FLOORS = [
  'cli',
  'testing',
  'index',
  'dashboard',
  'inspect',
  'metrics',
  'opentelemetry',
  'nestjs',
  'doctor',
  'plugin',
  'worker',
  'model',
  'queue',
  'pop',
  'push',
  'stats',
  'cancel',
  'waiting',
  'settle',
  'claim',
  'indexes',
  'dependencies',
  'notify',
  'side',
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
  'turns',
  'observe',
  'mongoose',
  'any',
  'differences',
  'values',
  'timers',
  'peer',
  'errors',
];

const FEWEST_LINES = 12;
const MOST_LINES = 219;

interface SourceFile {
  /** From `lib`, without the extension. */
  readonly name: string;
  readonly text: string;
}

const sources: SourceFile[] = readdirSync(LIB, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.tsx?$/.test(path))
  .map((path) => ({ name: path.replace(/\.tsx?$/, ''), text: readFileSync(join(LIB, path), 'utf8') }));

/** The page of the dashboard is built for browsers, by itself: its folder is no room of the house. */
const PAGE = 'dashboard/page/';
const files = sources.filter(({ name }) => !name.startsWith(PAGE));
const pageFiles = sources.filter(({ name }) => name.startsWith(PAGE));

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
    const odd = sources.filter((file) => linesOf(file) < FEWEST_LINES || linesOf(file) > MOST_LINES);

    expect(odd.map((file) => `${file.name}: ${linesOf(file)}`)).toEqual([]);
  });
});

describe("the dashboard's page", () => {
  it('has nothing of the house but the types of what it is told', () => {
    const outside = pageFiles.flatMap((file) =>
      importsOf(file).flatMap((to) => (to.startsWith(PAGE) || /\.\w+$/.test(to) ? [] : [`${file.name} → ${to}`])),
    );
    const api = pageFiles.flatMap(({ name, text }) =>
      /import type [^;]*? from '(?:\.\.\/)+api';/.test(text) ? [name] : [],
    );

    expect(outside).toEqual(api.map((name) => `${name} → dashboard/api`));
  });
});

describe('the page about the house', () => {
  const page = readFileSync(join(__dirname, '../docs/design.md'), 'utf8');
  const [, rooms = ''] = page.split('\n## The rooms\n');
  const sections = rooms
    .split('\n## ')[0]!
    .split('\n### ')
    .slice(1)
    .map((section) => ({ heading: section.split('\n')[0]!, text: section }));

  it('has the rooms in the order of their floors', () => {
    expect(sections.map(({ heading }) => heading.replace(/\/$|\.ts$/, ''))).toEqual(FLOORS);
  });

  it('has a row for each file of a room', () => {
    const named = sections.flatMap(({ heading, text }) =>
      heading.endsWith('/')
        ? [...text.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell]) =>
            [...cell!.matchAll(/`([\w-]+)\.ts`/g)].map(([, file]) => heading + file),
          )
        : [heading.replace(/\.ts$/, '')],
    );

    expect(named.toSorted()).toEqual(files.map(({ name }) => name).toSorted());
  });

  it("has a row for each file of the dashboard's page", () => {
    const named = [...page.matchAll(/^\| (`page\/[^|]*) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`(page\/[\w/-]+)\.tsx?`/g)].map(([, name]) => `dashboard/${name}`),
    );

    expect(named.toSorted()).toEqual(pageFiles.map(({ name }) => name).toSorted());
  });

  it('names no file that is not there', () => {
    const paths = [...page.matchAll(/`([\w-]+\/[\w-]+)\.ts`/g)].map(([, path]) => path);

    const names = sources.map(({ name }) => name.replace('dashboard/page/', 'page/'));
    expect(paths.filter((path) => !names.includes(path!))).toEqual([]);
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

  it('set a clock that the library reads, where they set one', () => {
    const read = (name: string) => readFileSync(join(__dirname, `${name}.spec.ts`), 'utf8');
    // `timers` shows that the library does not read it otherwise.
    const setting = specs.filter((name) => name !== 'timers' && /spyOn\(performance,/.test(read(name)));

    expect(setting).not.toEqual([]);
    expect(setting.filter((name) => !read(name).includes('fakeable-timers'))).toEqual([]);
  });
});
