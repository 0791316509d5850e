import type { Document, Model } from 'mongoose';
import type { SchemaOf } from './differences/generics';

// Mongoose's Model and Document are invariant in their many parameters: only `any` stands for "of whatever schema".
/* oxlint-disable typescript/no-explicit-any */
export type AnySchema = SchemaOf<any, any, any, any, any, any, any, any, any, any, any>;
export type AnyModel = Model<any, any, any, any, any, any>;
export type AnyDocument = Document<any, any, any>;
/** A document as the driver reads it. `_id` and fields may be of any type. */
export interface RawDocument extends Record<string, any> {
  _id: any;
}
/* oxlint-enable typescript/no-explicit-any */

/** A filter as the driver takes it. */
export type Filter = Record<string, unknown>;
