// Writes the reference of the API from the comments in lib: `npm run reference`, set up by typedoc.json.
import { register } from 'node:module';

// TypeDoc reads a program by the compiler's own interface, which TypeScript 7 does not have: it is given the last one that does.
const hooks = "export const resolve = (name, at, next) => next(name === 'typescript' ? 'ts6' : name, at);";
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

await import('../../node_modules/typedoc/dist/cli.js');
