import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { idOf, idText } from '../../lib/inspect/ids';
import { useDatabase } from '../support/database';

describe('an id in a text', () => {
  const database = useDatabase();
  const modelOf = (type: unknown) =>
    database.connection.model('Item', taskQueue(new Schema({ _id: type } as object)), undefined, {
      overwriteModels: true,
    }) as never;

  it.each(['42', 'true', 'null', '-1.5', '{"a":1}', '[1]', 'order-7', '64f000000000000000000000'])(
    'is the text itself where ids are texts: %s',
    (text) => {
      const model = modelOf(String);

      expect(idOf(model, text)).toBe(text);
      expect(idOf(model, idText(text))).toBe(text);
    },
  );

  it('is what the schema casts it to, or Extended JSON', () => {
    expect(Number(idOf(modelOf(Number), '42'))).toBe(42);
    expect(String(idOf(modelOf(Schema.Types.ObjectId), '64f000000000000000000000'))).toBe('64f000000000000000000000');
    expect(JSON.stringify(idOf(modelOf(Schema.Types.Mixed), '{"a":1,"b":"x"}'))).toBe('{"a":1,"b":"x"}');
    // Another program may have written another type.
    expect(Number(idOf(modelOf(String), '{"$numberInt":"5"}'))).toBe(5);
  });
});
