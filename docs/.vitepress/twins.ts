import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { contents, toExamplePages } from './contents';
import { programs } from './programs';

/** Writes beside the pages of a built site what programs read: each page as Markdown, `llms.txt` and `llms-full.txt`. */
export function writeTwins(docs: string, out: string, base: string): void {
  const sections = contents(docs);
  const pages = sections.flatMap((section) => section.pages.map(({ file }) => ({ file, text: pageText(docs, file) })));
  const twins = [
    { file: 'index.md', text: pageText(docs, 'index.md') },
    ...pages,
    ...programs(join(docs, '../examples')).map(({ name, page }) => ({ file: `examples/${name}.md`, text: page })),
  ];
  for (const { file, text } of twins) write(join(out, file), text);
  for (const asset of ['pictures', 'grafana.json']) cpSync(join(docs, asset), join(out, asset), { recursive: true });

  const [title, summary] = pageText(docs, 'index.md').split('\n\n');
  const lists = sections.map((section) => {
    const links = section.pages.map((page) => `- [${page.title}](${base}${page.file}): ${page.about}`);
    return `## ${section.title}\n\n${links.join('\n')}`;
  });
  write(join(out, 'llms.txt'), `${[title, `> ${summary}`, ...lists].join('\n\n')}\n`);
  write(join(out, 'llms-full.txt'), [`${title}\n\n> ${summary}`, ...pages.map(({ text }) => text)].join('\n\n---\n\n'));
}

function pageText(docs: string, file: string): string {
  return toExamplePages(readFileSync(join(docs, file), 'utf8'));
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
