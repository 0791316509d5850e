import type { AnyModel, AnySchema, Filter } from '../any';

/** The value of a discriminator, and the path that holds it. */
export interface Kind {
  readonly key: string;
  readonly value: unknown;
}

/** The kind of a discriminator; null for any other model. */
export function kindOf(model: AnyModel): Kind | null {
  const mapping = (
    model.schema as AnySchema & { discriminatorMapping?: { key: string; value: unknown; isRoot: boolean } }
  ).discriminatorMapping;

  return mapping && !mapping.isRoot ? { key: mapping.key, value: mapping.value } : null;
}

/** The condition in the indexes that a kind shares with its base: its own, if the plugin was applied to it alone. */
export function ofSharedIndex({ kind, kindOnly }: { readonly kind: Kind | null; readonly kindOnly: boolean }): Filter {
  return kindOnly ? ofKind(kind) : {};
}

/** The condition for the documents of this kind alone; none without a kind. */
export function ofKind(kind: Kind | null): Filter {
  return kind ? { [kind.key]: kind.value } : {};
}
