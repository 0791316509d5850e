import mongoose from 'mongoose';

/** Mongoose marks its own middleware with this symbol and runs it even where the user's is switched off. */
export const BUILT_IN = Symbol.for('mongoose:built-in-middleware');

type Hook = { fn?: object };
interface Hooked {
  s?: { hooks?: Record<'_pres' | '_posts', Map<string, Hook[]> | undefined> };
}

let unmarked: ReadonlySet<string> | undefined;

/** Whether a save hook is Mongoose's own, or the library's, and not the user's. */
export function isOfMongoose(hook: object): boolean {
  return BUILT_IN in hook || (unmarked ??= textsOfUnmarked()).has(textOf(hook));
}

/** Mongoose 8 marks only some of its hooks, and makes them anew for each schema: they are known by the text of their functions. */
function textsOfUnmarked(): ReadonlySet<string> {
  // Of an instance of its own, without the plugins that the user gave to all schemas.
  const { schema } = new mongoose.Mongoose().model(
    'Bare',
    new mongoose.Schema({}, { autoCreate: false, autoIndex: false }),
  );
  const { _pres: pres, _posts: posts } = (schema as Hooked).s?.hooks ?? {};
  const hooks = [pres, posts].flatMap((registry) => registry?.get('save') ?? []);

  return new Set(hooks.map(({ fn }) => textOf(fn ?? {})));
}

function textOf(hook: object): string {
  return typeof hook === 'function' ? Function.prototype.toString.call(hook) : '';
}
