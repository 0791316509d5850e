import { join } from 'node:path';
import { anchorOf, contents, toExamplePages } from './contents.js';
import { writeTwins } from './twins.js';

const docs = join(import.meta.dirname, '..');
const base = process.env['SITE_BASE'] ?? '/';

/** The site: `npm run site` builds it. A link to a page that is not there fails the build. */
export default {
  title: 'mongoose-task-queue',
  description: 'A Mongoose plugin that makes any model a task queue.',
  base,
  outDir: join(docs, '../site/dist'),
  cacheDir: join(docs, '../site/node_modules/.vitepress'),
  head: [
    ['link', { rel: 'icon', href: 'data:,' }],
    // The pages have wide tables.
    ['style', {}, '.VPDoc.has-aside .content-container{max-width:none!important}'],
  ],
  lastUpdated: false,
  markdown: {
    anchor: { slugify: anchorOf },
    config: (md) => {
      md.core.ruler.before('normalize', 'example-pages', (state) => {
        state.src = toExamplePages(state.src);
      });
    },
  },
  themeConfig: {
    nav: [{ text: 'API', link: '/reference/index.html', target: '_self' }],
    sidebar: contents(docs).map((section) => ({
      text: section.title,
      items: section.pages.map(({ title, file }) => ({ text: title, link: `/${file.replace(/\.md$/, '')}` })),
    })),
    outline: [2, 3],
    search: { provider: 'local' },
  },
  buildEnd: ({ outDir }) => writeTwins(docs, outDir, base),
};
