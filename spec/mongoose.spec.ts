import mongoose, { Schema } from 'mongoose';
import { InvalidOptionError, taskQueue } from '../lib';
import { SUPPORTED_MONGOOSE } from '../lib/mongoose';
import packageJson from '../package.json';

describe('taskQueue()', () => {
  afterEach(() => jest.restoreAllMocks());

  it('supports the Mongoose that the package asks for', () => {
    const range = SUPPORTED_MONGOOSE.map(([major, minor]) => `^${major}.${minor}.0`).join(' || ');

    expect(packageJson.peerDependencies.mongoose).toBe(range);
  });

  it.each(['6.13.8', '7.8.7', '8.23.1', '9.3.1', '10.0.0-rc0'])('refuses to work beside Mongoose %s', (version) => {
    jest.replaceProperty(mongoose, 'version', version);
    const schema = new Schema({ n: Number });

    for (const apply of [() => taskQueue(schema), () => schema.plugin(taskQueue as never)]) {
      expect(apply).toThrow(InvalidOptionError);
      expect(apply).toThrow(`got ${version}`);
    }
    expect(schema.path('state')).toBeUndefined();
  });

  it('refuses a schema of another copy of Mongoose', () => {
    let other!: typeof mongoose;
    jest.isolateModules(() => (other = require('mongoose') as typeof mongoose));
    const schema = new other.Schema({ n: Number });

    expect(() => taskQueue(schema as never)).toThrow(InvalidOptionError);
    expect(() => taskQueue(schema as never)).toThrow('another copy of Mongoose');
    expect(() => schema.plugin(taskQueue as never)).toThrow('another copy of Mongoose');
  });

  it('refuses a model, and says where to apply it', () => {
    const Email = new mongoose.Mongoose().model('Email', new Schema({ to: String }));

    expect(() => taskQueue(Email as never)).toThrow(
      new InvalidOptionError(
        "Expected a schema, got the model Email: a model is fixed when it is compiled. Write `taskQueue(schema)` before `mongoose.model('Email', schema)`.",
      ),
    );
  });

  it.each([null, undefined, {}, 'Email'])('refuses %j', (value) => {
    expect(() => taskQueue(value as never)).toThrow('Expected a Mongoose schema, got');
  });

  it('takes schemas of every instance of Mongoose', () => {
    const instance = new mongoose.Mongoose();

    expect(() => taskQueue(new instance.Schema({ n: Number }))).not.toThrow();
  });

  it.each([[{ a: String }], [null], [undefined], ['Job'], [class Job {}]])(
    'refuses %p in place of a schema',
    (value) => {
      expect(() => taskQueue(value as never)).toThrow(InvalidOptionError);
      expect(() => taskQueue(value as never)).toThrow('new Schema');
    },
  );
});
