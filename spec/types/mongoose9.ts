import { expectTypeOf } from 'expect-type';
import { type DefaultSchemaOptions, type HydratedDocument, model, type Model, Schema, type Types } from 'mongoose';
import { taskQueue, type State } from 'mongoose-task-queue';

// What the types of Mongoose 8 do not tell, with or without the plugin.

const Note = model('Note', taskQueue(new Schema({ text: String })));

export async function theIdIsAText(): Promise<void> {
  expectTypeOf((await Note.pop())!.id).toEqualTypeOf<string>();
}

interface IBatch {
  rows: { sku: string }[];
}
type BatchDocument = HydratedDocument<IBatch, { rows: Types.DocumentArray<{ sku: string }> }>;
const Batch = model(
  'Batch',
  taskQueue(
    new Schema<IBatch, Model<IBatch>, {}, {}, {}, {}, DefaultSchemaOptions, IBatch, BatchDocument>({
      rows: [{ sku: String }],
    }),
  ),
);
const Created = model('Created', taskQueue(Schema.create({ rows: [{ sku: String }] })));

export async function aDocumentTypeOfTheirOwnIsKept(): Promise<void> {
  const batch = (await Batch.pop())!;
  const created = (await Created.pop())!;

  expectTypeOf(batch.rows).toEqualTypeOf<Types.DocumentArray<{ sku: string }>>();
  expectTypeOf((await batch.finish()).state).toEqualTypeOf<State>();
  expectTypeOf(created).not.toBeAny();
  expectTypeOf(created.rows.create).toBeFunction();
  expectTypeOf((await created.finish()).state).toEqualTypeOf<State>();
}
