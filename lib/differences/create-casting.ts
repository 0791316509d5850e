import type { Document, mongo, TreatAsPrimitives, Types } from 'mongoose';

// Mongoose 9 exports these types, Mongoose 8 has none like them: these are copies.

/** Each field of `T` as `Model.create()` takes it: anything that Mongoose casts to it. */
export type CreateCasting<T> = {
  [K in keyof T]: NonNullable<T[K]> extends Map<infer Key extends string, infer Value>
    ? Record<Key, Value> | [Key, Value][] | T[K] | CastPrimitive<T[K]>
    : NonNullable<T[K]> extends Types.DocumentArray<infer Raw>
      ? Raw[] | T[K] | CastPrimitive<T[K]>
      : NonNullable<T[K]> extends Document<infer _Id, infer _Helpers, infer Raw>
        ? WithExtraKeys<CreateCasting<Raw>> | T[K] | CastPrimitive<T[K]>
        : NonNullable<T[K]> extends TreatAsPrimitives
          ? QueryTypeCasting<T[K]>
          : NonNullable<T[K]> extends object
            ? WithExtraKeys<CreateCasting<T[K]>> | T[K] | CastPrimitive<T[K]>
            : QueryTypeCasting<T[K]>;
};

type CastPrimitive<T> = QueryTypeCasting<Extract<T, TreatAsPrimitives>>;

type QueryTypeCasting<T> = T extends string
  ? string extends T
    ? string | RegExp
    : T | RegExp
  : T extends Types.ObjectId
    ? Types.ObjectId | string
    : T extends Types.UUID
      ? Types.UUID | string
      : T extends Buffer
        ? Buffer | mongo.Binary | number[] | string | { $binary: string | mongo.Binary }
        : T extends Date
          ? string | number | Date
          : T;

type WithExtraKeys<T> = T | (T & Record<string, unknown>);

/** `T` with all fields optional, on every level. */
export type DeepPartial<T> = T extends TreatAsPrimitives
  ? T
  : T extends (infer Element)[]
    ? DeepPartial<Element>[]
    : T extends Record<string, infer _Value>
      ? { [K in keyof T]?: DeepPartial<T[K]> }
      : T;
