import fc from './support/property';
import { Schema } from 'mongoose';
import { constant, DependencyType, InvalidOptionError, taskQueue } from '../lib';
import { resolveOptions, type TaskQueueOptions } from '../lib/options';

describe('the options of the plugin', () => {
  it('have the documented defaults', () => {
    const options = resolveOptions();

    expect(options).toMatchObject({
      leaseMs: 300_000,
      maxAttempts: 3,
      recheckMs: 30_000,
      category: false,
      bind: true,
      fields: { state: 'state', priority: 'priority', createdAt: 'createdAt', category: 'category' },
    });
    // A day, unless the schema keeps a creation time of its own: only the compiled model knows.
    expect(options.expireAfterSeconds).toBeUndefined();
  });

  it('back off by default exponentially from one second to one hour', () => {
    const random = jest.spyOn(Math, 'random').mockReturnValue(0.5);

    const waits = [1, 2, 3, 20].map(resolveOptions().backoff);

    random.mockRestore();
    expect(waits).toEqual([500, 1_000, 2_000, 1_800_000]);
  });

  it('are taken as they are given', () => {
    const backoff = constant(5);

    expect(
      resolveOptions({
        expireAfterSeconds: false,
        leaseMs: 1,
        maxAttempts: 1,
        backoff,
        recheckMs: 1,
        category: true,
        bind: false,
        fields: { state: 'taskState', category: 'lane' },
      }),
    ).toMatchObject({
      expireAfterSeconds: false,
      leaseMs: 1,
      maxAttempts: 1,
      backoff,
      recheckMs: 1,
      category: true,
      bind: false,
      fields: { state: 'taskState', priority: 'priority', createdAt: 'createdAt', category: 'lane' },
    });
  });

  it.each([
    'expireAfterSeconds',
    'leaseMs',
    'maxAttempts',
    'backoff',
    'recheckMs',
    'category',
    'dependencies',
    'class',
    'history',
    'historySeconds',
    'bind',
    'fields',
  ] as const)('have the default where `%s` is undefined', (name) => {
    expect(resolveOptions({ [name]: undefined } as TaskQueueOptions)).toEqual(resolveOptions());
  });

  it.each([
    ['expireAfterSeconds', 0],
    ['expireAfterSeconds', 2 ** 31 - 1],
    ['leaseMs', 1],
    ['leaseMs', 2 ** 31 - 1],
    ['maxAttempts', 1],
    ['maxAttempts', 1_000_000],
    ['recheckMs', 1],
    ['recheckMs', 2 ** 31 - 1],
    ['historySeconds', 60],
    ['historySeconds', 2 ** 31 - 1],
  ])('may have `%s` at %d', (name, value) => {
    expect(resolveOptions({ [name]: value })).toMatchObject({ [name]: value });
  });

  it('are compared by Mongoose when a discriminator is made, so two resolutions of the same options are equal', () => {
    expect(resolveOptions({ leaseMs: 5 })).toEqual(resolveOptions({ leaseMs: 5 }));
    expect(resolveOptions().backoff).toBe(resolveOptions().backoff);
  });
});

describe('a wrong option of the plugin', () => {
  const seconds = 'Expected `expireAfterSeconds` to be a whole number of seconds from 0 to 2147483647';
  const lease = 'Expected `leaseMs` to be a whole number of milliseconds from 1 to 2147483647';
  const recheck = 'Expected `recheckMs` to be a whole number of milliseconds from 1 to 2147483647';
  const tries = 'Expected `maxAttempts` to be a whole number from 1 to 1000000';

  it.each<[string, unknown, string]>([
    ['expireAfterSeconds', -1, `${seconds}, got \`-1\` (number). Write for example \`expireAfterSeconds: 86_400\``],
    ['expireAfterSeconds', 0.5, `${seconds}, got \`0.5\` (number)`],
    ['expireAfterSeconds', 2 ** 31, `${seconds}, got \`2147483648\` (number)`],
    ['expireAfterSeconds', '1d', `${seconds}, got "1d" (string)`],
    ['expireAfterSeconds', true, `${seconds}, got \`true\` (boolean)`],
    ['expireAfterSeconds', null, `${seconds}, got \`null\``],
    ['expireAfterSeconds', Number.NaN, `${seconds}, got \`NaN\` (number)`],
    ['leaseMs', 0, `${lease}, got \`0\` (number). Write for example \`leaseMs: 300_000\``],
    ['leaseMs', -5, `${lease}, got \`-5\` (number)`],
    ['leaseMs', 1.5, `${lease}, got \`1.5\` (number)`],
    ['leaseMs', 2 ** 31, `${lease}, got \`2147483648\` (number)`],
    ['leaseMs', Infinity, `${lease}, got \`Infinity\` (number)`],
    ['leaseMs', '5m', `${lease}, got "5m" (string)`],
    ['leaseMs', false, `${lease}, got \`false\` (boolean)`],
    ['maxAttempts', 0, `${tries}, got \`0\` (number). Write for example \`maxAttempts: 3\``],
    ['maxAttempts', 2.5, `${tries}, got \`2.5\` (number)`],
    ['maxAttempts', Infinity, `${tries}, got \`Infinity\` (number)`],
    ['maxAttempts', '3', `${tries}, got "3" (string)`],
    ['recheckMs', 0, `${recheck}, got \`0\` (number). Write for example \`recheckMs: 30_000\``],
    ['recheckMs', 2 ** 31, `${recheck}, got \`2147483648\` (number)`],
    ['recheckMs', '30s', `${recheck}, got "30s" (string)`],
    [
      'backoff',
      1_000,
      'Expected `backoff` to be a function, got `1000` (number). Write for example `backoff: exponential(',
    ],
    ['backoff', { minMs: 5 }, 'Expected `backoff` to be a function, got an object (Object)'],
    ['category', 'reports', 'Expected `category` to be true or false, got "reports" (string)'],
    ['category', ['a'], 'Expected `category` to be true or false, got an array of 1'],
    ['dependencies', ['source'], 'Expected `dependencies` to be an object, got an array of 1'],
    ['dependencies', null, 'Expected `dependencies` to be an object, got `null`'],
    ['class', 'Mail', 'Expected `class` to be a class, got "Mail" (string)'],
    ['class', {}, 'Expected `class` to be a class, got an object (Object)'],
    ['bind', 0, 'Expected `bind` to be true or false, got `0` (number)'],
    ['bind', null, 'Expected `bind` to be true or false, got `null`'],
    ['fields', 'taskState', 'Expected `fields` to be an object, got "taskState" (string)'],
    ['fields', ['state'], 'Expected `fields` to be an object, got an array of 1'],
    ['fields', null, 'Expected `fields` to be an object, got `null`'],
  ])('is refused when the plugin is applied: %s: %p', (name, value, message) => {
    const schema = new Schema({ to: String });

    expect(() => taskQueue(schema, { [name]: value } as TaskQueueOptions)).toThrow(InvalidOptionError);
    expect(() => taskQueue(schema, { [name]: value } as TaskQueueOptions)).toThrow(message);
    expect(Object.keys(schema.paths)).toEqual(['to', '_id']);
  });

  it.each([
    ['leasMs', 'leaseMs'],
    ['expiresAfterSecond', 'expireAfterSeconds'],
    ['maxAttemps', 'maxAttempts'],
    ['backOff', 'backoff'],
    ['reCheck', 'recheckMs'],
    ['categories', 'category'],
    ['field', 'fields'],
    ['binds', 'bind'],
  ])('is refused with the name that was meant: %s → %s', (typed, meant) => {
    expect(() => taskQueue(new Schema({}), { [typed]: 1 } as TaskQueueOptions)).toThrow(
      `Unknown option \`${typed}\` of taskQueue(). Did you mean \`${meant}\`?`,
    );
  });

  it.each([null, 5, 'fast', [], () => {}])('is refused in the place of the options: %p', (options) => {
    expect(() => taskQueue(new Schema({}), options as never)).toThrow(InvalidOptionError);
    expect(() => taskQueue(new Schema({}), options as never)).toThrow('Expected `options` to be an object');
  });

  it('leaves a schema on which the right options may be tried again', () => {
    const schema = new Schema({ to: String });
    expect(() => taskQueue(schema, { leaseMs: 0 })).toThrow(InvalidOptionError);

    taskQueue(schema, { leaseMs: 5 });

    expect(schema.path('state')).toBeDefined();
  });

  it('is refused whatever it is: no value but a whole number of the range becomes a lease', () => {
    const isLease = (value: unknown) => Number.isInteger(value) && Number(value) >= 1 && Number(value) < 2 ** 31;
    const values = fc
      .oneof(fc.anything(), fc.integer({ min: -10, max: 10 }), fc.double())
      .filter((v) => v !== undefined);

    fc.assert(
      fc.property(values, (leaseMs) => {
        const resolve = () => resolveOptions({ leaseMs } as TaskQueueOptions);
        if (isLease(leaseMs)) expect(resolve().leaseMs).toBe(leaseMs);
        else expect(resolve).toThrow(InvalidOptionError);
      }),
    );
  });
});

describe('the names of `fields`', () => {
  it.each<[object, string]>([
    [{ states: 'a' }, 'Unknown option `states` of `fields`. Did you mean `state`?'],
    [{ state: '' }, 'Expected `fields.state` to be a text that is not empty, got "" (string)'],
    [{ state: 5 }, 'Expected `fields.state` to be a text that is not empty, got `5` (number)'],
    [{ priority: null }, 'Expected `fields.priority` to be a text that is not empty, got `null`'],
    [{ state: '$state' }, 'Expected `fields.state` to be a path without `.` and `$` that does not start with `_task`'],
    [
      { state: 'task.state' },
      'Expected `fields.state` to be a path without `.` and `$` that does not start with `_task`',
    ],
    [
      { category: '_task.category' },
      'Expected `fields.category` to be a path without `.` and `$` that does not start with `_task`',
    ],
    [
      { createdAt: '_task' },
      'Expected `fields.createdAt` to be a path without `.` and `$` that does not start with `_task`',
    ],
    [{ state: 'priority' }, 'Expected `fields` to be names that differ from each other'],
    [{ state: 'a', priority: 'a' }, 'Expected `fields` to be names that differ from each other'],
  ])('are refused: %j', (fields, message) => {
    expect(() => resolveOptions({ fields } as TaskQueueOptions)).toThrow(InvalidOptionError);
    expect(() => resolveOptions({ fields } as TaskQueueOptions)).toThrow(message);
  });

  it.each(['state', 'priority', 'createdAt', 'category'])('have the default where `%s` is undefined', (name) => {
    const fields = { [name]: undefined } as TaskQueueOptions['fields'];

    expect(resolveOptions({ fields } as TaskQueueOptions)).toEqual(resolveOptions());
  });

  it('may change places', () => {
    expect(resolveOptions({ fields: { state: 'priority', priority: 'state' } }).fields).toMatchObject({
      state: 'priority',
      priority: 'state',
    });
  });
});

describe("the caller's options", () => {
  it('are never changed, and never looked at again', () => {
    const fields = { state: 'taskState' };
    const source = { type: DependencyType.DIRECT, onFailed: 'fail' as 'fail' | 'ignore' };
    const given = { leaseMs: 5, category: true, fields, dependencies: { source } };
    const copy = structuredClone(given);

    const resolved = resolveOptions(given);
    expect(given).toEqual(copy);
    Object.assign(given, { leaseMs: 6, category: false });
    fields.state = 'other';
    source.onFailed = 'ignore';

    expect(resolved).toMatchObject({ leaseMs: 5, category: true, fields: { state: 'taskState' } });
    expect(resolved.dependencies['source']).toMatchObject({ onFailed: 'fail' });
  });

  it('may be frozen', () => {
    const options = Object.freeze({ leaseMs: 5, fields: Object.freeze({ state: 'taskState' }) });

    expect(() => taskQueue(new Schema({ to: String }), options)).not.toThrow();
  });

  it('may serve many schemas', () => {
    const options = { category: true, fields: { state: 'taskState' } };
    const schemas = [1, 2].map(() => taskQueue(new Schema({ to: String }), options));

    for (const schema of schemas) expect(schema.path('taskState')).toBeDefined();
    expect(options).toEqual({ category: true, fields: { state: 'taskState' } });
  });
});
