import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper.js';
import { type AnyModel, definitionOf, rootOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { isModel, modelToken, nameOf } from './named';
import type { Found, Processing } from './processor';

/** The model that a processor names. @throws {InvalidOptionError} when nobody provides it, or its schema does not have the plugin. */
export function modelFor({ type, declared }: Found, wrappers: readonly InstanceWrapper[]): AnyModel {
  const { named, options } = declared;
  const name = nameOf(named, '@Processor(Email.name)');
  const token = modelToken(name, options.connectionName);
  const model: unknown = isModel(named) ? named : wrappers.find((wrapper) => wrapper.token === token)?.instance;
  if (!isModel(model))
    throw new InvalidOptionError(
      `Expected \`@Processor()\` of ${type.name} to name a model, got ${JSON.stringify(name)}, which nobody provides. Known are: ${known(wrappers)}. Write \`MongooseModule.forFeature([{ name: ${JSON.stringify(name)}, schema }])\`, or give \`@Processor()\` the model itself.`,
    );
  definitionOf(model);

  return model;
}

function known(wrappers: readonly InstanceWrapper[]): string {
  const names = wrappers.flatMap(({ instance }) => (isModel(instance) ? [instance.modelName] : []));

  return [...new Set(names)].join(', ') || 'none';
}

/** @throws {InvalidOptionError} when a task could be claimed by the worker of either processor. */
export function requireOneForEach(all: readonly Processing[]): void {
  for (const [index, one] of all.entries()) {
    const other = all.slice(0, index).find((earlier) => overlap(earlier, one));
    if (!other) continue;
    const [first, second] = [other, one].map(({ found, name }) => `${found.type.name} (${name})`);
    throw new InvalidOptionError(
      `Expected one processor for each task, got two for the same ones: ${first} and ${second}. Provide a processor in one module, and put what is for a kind or category into methods with \`@Process({ kind })\` or \`@Process({ category })\`.`,
    );
  }
}

function overlap(one: Processing, other: Processing): boolean {
  const areBoth = one.models.some((model) => other.models.some((its) => haveTheSame(model, its)));
  if (!areBoth || one.categories === null || other.categories === null) return areBoth;

  return one.categories.some((category) => other.categories!.includes(category));
}

// The tasks of a kind are those of its base, too.
function haveTheSame(model: AnyModel, other: AnyModel): boolean {
  return model === other || rootOf(model) === other || rootOf(other) === model;
}
