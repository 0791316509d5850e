import type { AnyModel } from '../definition/definition';
import { wrongValue } from '../values/check';

/** A model, recognised by its name. */
export interface NamedModel {
  /** The name that it is registered with. */
  readonly modelName: string;
}

/**
 * Names a model: by the name it is registered with, by the class that its schema was made of (whose name it has then), or by itself.
 */
export type Named = string | NamedModel | (abstract new (...parameters: never[]) => unknown);

export function isModel(value: unknown): value is AnyModel {
  return typeof value === 'function' && typeof (value as Partial<AnyModel>).modelName === 'string';
}

/** @throws {InvalidOptionError} for what names no model. */
export function nameOf(named: Named, where: string): string {
  const name: unknown = isModel(named) ? named.modelName : typeof named === 'function' ? named.name : named;
  if (typeof name === 'string' && name !== '') return name;
  throw wrongValue('model', 'the name of a model, its class or the model itself', named, `\`${where}\``);
}

/** The token under which `MongooseModule.forFeature()` provides a model: that of `getModelToken()`. */
export function modelToken(name: string, connectionName?: string): string {
  if (connectionName === undefined) return `${name}Model`;
  const connection = connectionName === DEFAULT_CONNECTION ? connectionName : `${connectionName}Connection`;

  return `${connection}/${name}Model`;
}

const DEFAULT_CONNECTION = 'DatabaseConnection';
