import { inspect } from 'node:util';

function refuse(): never {
  throw new Error('no look at this');
}

const withGetter = (target: object, name: string) => Object.defineProperty(target, name, { get: refuse });

/** What a handler or a listener may throw whose look throws itself. */
export const hostile: Readonly<Record<string, unknown>> = {
  'an error with a message that throws': withGetter(new Error('a'), 'message'),
  'an error with a name that throws': withGetter(new Error('a'), 'name'),
  'an error with a stack that throws': withGetter(new Error('a'), 'stack'),
  'an error with a cause that throws': withGetter(new Error('a'), 'cause'),
  'an error with a code that throws': withGetter(new Error('a'), 'code'),
  'an object whose inspection throws': { [inspect.custom]: refuse },
  'an object whose text throws': { toString: refuse, [Symbol.toPrimitive]: refuse },
  'an object whose kind throws': withGetter({}, Symbol.toStringTag as unknown as string),
  'an object without a prototype': Object.create(null),
  'a proxy that refuses all': new Proxy(new Error('a'), {
    get: refuse,
    has: refuse,
    ownKeys: refuse,
    getPrototypeOf: refuse,
    getOwnPropertyDescriptor: refuse,
  }),
  'a revoked proxy': (() => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  })(),
  'a symbol': Symbol('a'),
};
