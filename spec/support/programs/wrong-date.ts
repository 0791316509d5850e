import { readInput } from './talk';

const { shiftMs = 0 } = readInput<{ shiftMs?: number }>();
const RightDate = Date;

// A proxy and not a subclass: dates that the engine itself makes are instances of it as well.
globalThis.Date = new Proxy(RightDate, {
  apply: () => new Date().toString(),
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length > 0 ? args : [RightDate.now() + shiftMs], newTarget) as object,
  get: (target, name, receiver) =>
    name === 'now' ? () => RightDate.now() + shiftMs : (Reflect.get(target, name, receiver) as unknown),
});
