interface Container<Type> {
  /** The name in Mongoose 9. */
  readonly embeddedSchemaType?: Type;
  /** The name in Mongoose 8. */
  readonly $embeddedSchemaType?: Type;
}

/** What the elements of an array are in the schema; undefined for a path that is no array. */
export function elementType<Type extends object>(path: Type | undefined): Type | undefined {
  const container = path as Container<Type> | undefined;

  return container?.embeddedSchemaType ?? container?.$embeddedSchemaType;
}
