import assert from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import mongoose from 'mongoose';
import * as main from '../lib';
import * as dashboard from '../lib/dashboard';
import * as doctor from '../lib/doctor';
import * as testing from '../lib/testing';

const LIB = join(__dirname, '../lib');
const PAGE = readFileSync(join(__dirname, '../docs/errors.md'), 'utf8');

const sources = readdirSync(LIB, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.startsWith('dashboard/page'))
  .map((path) => ({ path, text: readFileSync(join(LIB, path), 'utf8') }));
const source = sources.map(({ text }) => text).join('\n');

/** The first cells of the table below a heading, without their code marks. */
function firstCells(heading: string): string[] {
  const section = PAGE.split(new RegExp(`^#+ ${heading}$`, 'm'))[1]!.split(/^#/m)[0]!;
  const rows = [...section.matchAll(/^\| (.+?) \| /gm)].map(([, cell]) => cell!);

  return rows.slice(2);
}

const plain = (cell: string) => cell.replace(/^`+|`+$/g, '');

/** What is in code marks in these cells. */
const codesIn = (cells: readonly string[]) =>
  cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!));

/** Whether the texts of a message that are the same each time are in the source. */
function isInSource(cell: string): boolean {
  const message = /`` (.+) ``|`([^`]+)`/.exec(cell)?.[0] ?? cell;
  const parts = plain(message)
    .split(/…|\b\d+(?: ms)?\b|\b(?:Email|emails|jobs|metrics|finished|failed)\b|prom-client|[`"]/)
    .map((part) => part.trim())
    .filter((part) => part.length > 3);

  return parts.length > 0 && parts.every((part) => source.includes(part));
}

describe('the page about errors', () => {
  const exported = [main, dashboard, doctor, testing]
    .flatMap((entry) => Object.entries(entry))
    .flatMap(([name, value]) => (name.endsWith('Error') && typeof value === 'function' ? [name] : []));

  it('has each error class that is exported, and no other', () => {
    expect(codesIn(firstCells('Classes')).toSorted()).toEqual(exported.toSorted());
  });

  it('names only errors that exist', () => {
    const others: object[] = [mongoose.Error, mongoose.mongo, mongoose, assert];
    const names = [...PAGE.matchAll(/`([A-Z]\w*Error)`/g)].map(([, name]) => name!);
    const thrown = ['TimeoutError', 'AbortError'].filter((name) => source.includes(`'${name}'`));
    const known = (name: string) =>
      exported.includes(name) ||
      thrown.includes(name) ||
      others.some((module) => name in module) ||
      name === mongoose.Error.name;

    expect(names.filter((name) => !known(name))).toEqual([]);
  });

  it('has each warning', () => {
    const warned = [...source.matchAll(/emitWarning\(\s*[`']((?:[^`\\]|\\.)*?)[`'],/g)].map(([, text]) =>
      text!.replaceAll('\\`', '`'),
    );
    const cells = firstCells('Warnings').map(plain);
    // Up to the colon, after which comes what went wrong; what differs from time to time is an example on the page.
    const partsOf = (text: string) =>
      text
        .split(': ')[0]!
        .split(/\$\{[^}]*\}/)
        .map((part) => part.trim());
    const missing = warned.filter((text) => !cells.some((cell) => partsOf(text).every((part) => cell.includes(part))));

    expect(warned.length).toBeGreaterThan(8);
    expect(missing).toEqual([]);
    expect(cells).toHaveLength(warned.length);
  });

  it.each(['Warnings', 'TaskQueueError itself', 'In `task.failures`'])('quotes what the code says: %s', (heading) => {
    expect(firstCells(heading).filter((cell) => !isInSource(cell))).toEqual([]);
  });

  it('has each code of the dashboard', () => {
    const ofDashboard = sources
      .filter(({ path }) => path.startsWith('dashboard/'))
      .map(({ text }) => text)
      .join('\n');
    const codes = [...ofDashboard.matchAll(/new Refusal\(\s*\d+,\s*'([\w-]+)'/g)].map(([, code]) => code!);

    expect(codesIn(firstCells('Codes of the dashboard and the command line')).toSorted()).toEqual(
      [...new Set(codes)].toSorted(),
    );
  });
});

describe('an error of the library', () => {
  const classes = Object.values(main).flatMap((value) =>
    typeof value === 'function' && value.name.endsWith('Error') ? [value as new (...values: never[]) => Error] : [],
  );

  it.each(classes.map((one) => [one.name, one] as const))('%s has its name, and is an error', (name, Class) => {
    const error = new Class();

    expect(error.name).toBe(name);
    expect(error).toBeInstanceOf(Error);
    expect(error instanceof main.TaskQueueError).toBe(name !== 'UnrecoverableError');
  });
});
