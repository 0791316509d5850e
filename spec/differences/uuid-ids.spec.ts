import mongoose, { Schema } from 'mongoose';
import { InvalidOptionError, taskQueue } from 'mongoose-task-queue';

describe('a task whose id is a UUID', () => {
  const compile = () =>
    new mongoose.Mongoose().model('Parcel', taskQueue(new Schema({ _id: Schema.Types.UUID }) as unknown as Schema));

  afterEach(() => jest.restoreAllMocks());

  it('is refused beside Mongoose 8, whose documents give that id as a text', () => {
    jest.replaceProperty(mongoose, 'version', '8.24.1');

    expect(compile).toThrow(InvalidOptionError);
    expect(compile).toThrow('got a UUID in Parcel');
  });

  it('is taken beside Mongoose 9', () => {
    jest.replaceProperty(mongoose, 'version', '9.4.0');

    expect(compile).not.toThrow();
  });

  it('may be any other id beside Mongoose 8', () => {
    jest.replaceProperty(mongoose, 'version', '8.24.1');
    const schema = taskQueue(new Schema({ _id: String }) as unknown as Schema);

    expect(() => new mongoose.Mongoose().model('Parcel', schema)).not.toThrow();
  });
});
