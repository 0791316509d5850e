import type { HydratedDocument, ObtainSchemaGeneric, Schema } from 'mongoose';

// Types whose names or parameters Mongoose 8 and 9 do not share. No declaration of them is right for both, so each is written in both ways
// and a condition takes the one that exists. The error of the other is ignored by a comment of the form that declaration files keep.

/** Whether this is compiled beside Mongoose 8. */
export type IsMongoose8 = typeof import('mongoose') extends { overwriteMiddlewareArguments: unknown } ? false : true;

/** A `Schema` with all its parameters, of which Mongoose 8 does not have the last two. */
export type SchemaOf<Raw, Model, Methods, Helpers, Virtuals, Statics, Options, Doc, Hydrated, Definition, Lean> =
  IsMongoose8 extends true
    ? SchemaOf8<Raw, Model, Methods, Helpers, Virtuals, Statics, Options, Doc, Hydrated>
    : SchemaOf9<Raw, Model, Methods, Helpers, Virtuals, Statics, Options, Doc, Hydrated, Definition, Lean>;

/** @ts-ignore the constraint of `D` refers to itself */
type SchemaOf8<R, M, I, Q, V, S, O, D, H> = Schema<R, M, I, Q, V, S, O, D, H>;
/** @ts-ignore there are fewer parameters in Mongoose 8 */
type SchemaOf9<R, M, I, Q, V, S, O, D, H, T, L> = Schema<R, M, I, Q, V, S, O, D, H, T, L>;

/** A `HydratedDocument` with all its parameters, of which Mongoose 8 does not have `Raw`. */
export type HydratedOf<Doc, Overrides, Helpers, Virtuals, Raw, Options> = IsMongoose8 extends true
  ? HydratedOf8<Doc, Overrides, Helpers, Virtuals, Options>
  : HydratedOf9<Doc, Overrides, Helpers, Virtuals, Raw, Options>;

type HydratedOf8<D, O, Q, V, S> = HydratedDocument<D, O, Q, V, S>;
/** @ts-ignore there are fewer parameters in Mongoose 8 */
type HydratedOf9<D, O, Q, V, R, S> = HydratedDocument<D, O, Q, V, R, S>;

/** What a schema was defined with; unknown in Mongoose 8. */
export type DefinitionOf<S> = IsMongoose8 extends true ? unknown : DefinitionOf9<S>;
/** @ts-ignore there is no such parameter in Mongoose 8 */
type DefinitionOf9<S> = ObtainSchemaGeneric<S, 'TSchemaDefinition'>;

/** What `lean()` results in; unknown in Mongoose 8. */
export type LeanOf<S> = IsMongoose8 extends true ? unknown : LeanOf9<S>;
/** @ts-ignore there is no such parameter in Mongoose 8 */
type LeanOf9<S> = ObtainSchemaGeneric<S, 'TLeanResultType'>;

/** A filter as `Model.find()` takes it. */
export type FilterOf<Raw> = IsMongoose8 extends true ? FilterOf8<Raw> : FilterOf9<Raw>;
/** @ts-ignore the name in Mongoose 8 */
type FilterOf8<Raw> = import('mongoose').FilterQuery<Raw>;
/** @ts-ignore the name in Mongoose 9 */
type FilterOf9<Raw> = import('mongoose').QueryFilter<Raw>;
