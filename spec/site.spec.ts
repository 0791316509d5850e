import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { anchorOf, contents, toExamplePages } from '../docs/.vitepress/contents';
import { writeTwins } from '../docs/.vitepress/twins';

const ROOT = join(__dirname, '..');
const DOCS = join(ROOT, 'docs');
const pages = readdirSync(DOCS).filter((file) => file.endsWith('.md'));

/** The text of a page without what is code. */
function proseOf(path: string): string {
  return readFileSync(path, 'utf8').replace(/^```[^]*?^```/gm, '');
}

/** The anchors of a page's headings. A second heading of the same text has a number. */
function anchorsOf(path: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of proseOf(path).matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = anchorOf(heading!.replaceAll('`', '').replace(/\[(.+?)\]\(.+?\)/g, '$1'));
    let free = anchor;
    for (let count = 1; anchors.has(free); count++) free = `${anchor}-${count}`;
    anchors.add(free);
  }

  return anchors;
}

/** The links of a page to files of the repository, and what is wrong with each. */
function deadLinks(page: string): string[] {
  const path = resolve(ROOT, page);
  // Inline code may have what looks like a link.
  const links = proseOf(path)
    .replace(/`[^`\n]*`/g, '')
    .matchAll(/\]\(([^)\s]+)\)/g);

  return [...links].flatMap(([, link]) => {
    if (/^[a-z]+:/.test(link!)) return [];
    const [file, anchor] = link!.split('#') as [string, string?];
    const to = file === '' ? path : resolve(dirname(path), file);
    if (!existsSync(to)) return [`${page}: ${link}`];

    return anchor === undefined || anchorsOf(to).has(anchor) ? [] : [`${page}: no heading for ${link}`];
  });
}

describe('the pages', () => {
  it('are each listed once by need, with what they are about', () => {
    const listed = contents(DOCS).flatMap((section) => section.pages);

    expect(listed.map(({ file }) => file).toSorted()).toEqual(pages.filter((page) => page !== 'index.md').toSorted());
    expect(contents(DOCS).map(({ title }) => title)).toEqual(['Start', 'Write', 'Run', 'Look', 'Reference']);
    expect(listed.filter(({ about }) => about.length < 9)).toEqual([]);
  });

  it('are all linked from the README', () => {
    const readme = proseOf(join(ROOT, 'README.md'));

    expect(pages.filter((page) => !readme.includes(`(docs/${page}`))).toEqual([]);
  });

  it('have no link to a page, a heading or a file that is not there', () => {
    const all = [...pages.map((page) => `docs/${page}`), 'README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'];

    expect([...all, 'examples/README.md'].flatMap(deadLinks)).toEqual([]);
  });

  it('lead out of docs to programs alone, which are pages of the site', () => {
    const out = pages.flatMap((page) =>
      [...toExamplePages(proseOf(join(DOCS, page))).matchAll(/\]\((\.\.[^)]*)\)/g)].map(
        ([, link]) => `${page}: ${link}`,
      ),
    );

    expect(out).toEqual([]);
  });

  it('have one title each, which is their first line', () => {
    const odd = pages.filter((page) => {
      const text = proseOf(join(DOCS, page));
      return !text.startsWith('# ') || [...text.matchAll(/^# /gm)].length > 1;
    });

    expect(odd).toEqual([]);
  });
});

describe('the twins of the pages', () => {
  let out: string;

  beforeAll(() => {
    out = mkdtempSync(join(tmpdir(), 'site-'));
    writeTwins(DOCS, out, '/queue/');
  });
  afterAll(() => rmSync(out, { recursive: true, force: true }));

  it('are there for each page and each program, with links that lead to others', () => {
    const twins = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'));

    expect(twins).toEqual(expect.arrayContaining([...pages, 'examples/quick-start.md', 'examples/moving/agenda.md']));
    expect(twins.flatMap((file) => deadLinks(join(out, file)))).toEqual([]);
  });

  it('are listed in `llms.txt`, below where the site is, and all in `llms-full.txt`', () => {
    const list = readFileSync(join(out, 'llms.txt'), 'utf8');
    const full = readFileSync(join(out, 'llms-full.txt'), 'utf8');

    expect(list).toMatch(/^# mongoose-task-queue\n\n> A Mongoose plugin .+\n\n## Start\n/);
    for (const page of pages.filter((one) => one !== 'index.md')) {
      expect(list).toContain(`](/queue/${page}): `);
      expect(full).toContain(readFileSync(join(DOCS, page), 'utf8').split('\n')[0]);
    }
  });
});

describe('the anchor of a heading', () => {
  it.each([
    ['Beside old code', 'beside-old-code'],
    ['Where is …?', 'where-is-'],
    ['@mongoosejs/task', 'mongoosejstask'],
    ['When it fails, or is not there', 'when-it-fails-or-is-not-there'],
    ['retry, cancel', 'retry-cancel'],
    ['In task.failures', 'in-taskfailures'],
  ])('%s is %s, as code hosts make it', (heading, anchor) => {
    expect(anchorOf(heading)).toBe(anchor);
  });
});
