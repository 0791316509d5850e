import { join } from 'node:path';
import { programs } from '../.vitepress/programs.js';

const EXAMPLES = join(import.meta.dirname, '../../examples');

/** On the site each program is a page. */
export default {
  watch: ['../../examples/**/*.ts'],
  paths: () => programs(EXAMPLES).map(({ name, page }) => ({ params: { program: name }, content: page })),
};
