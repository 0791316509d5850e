import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A page as docs/index.md lists it. */
export interface Listed {
  readonly title: string;
  /** The file, from docs: `workers.md`. */
  readonly file: string;
  readonly about: string;
}

export interface Section {
  readonly title: string;
  readonly pages: readonly Listed[];
}

/** The pages by need, as docs/index.md has them: the only list of them there is. */
export function contents(docs: string): Section[] {
  const [, ...sections] = readFileSync(join(docs, 'index.md'), 'utf8').split(/^## /m);

  return sections.map((section) => ({
    title: section.split('\n')[0]!,
    pages: [...section.matchAll(/^- \[(.+?)\]\((.+?)\): (.+)$/gm)].map(([, title, file, about]) => ({
      title: title!,
      file: file!,
      about: about!,
    })),
  }));
}

/** The anchor of a heading, as code hosts make it, so that a link with an anchor leads to the same place there and on the site. */
export function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-');
}

/** Links to programs, which on the site are pages of their own. */
export function toExamplePages(text: string): string {
  return text.replace(/\]\(\.\.\/examples\/([\w./-]+)\.ts\)/g, '](examples/$1.md)');
}
