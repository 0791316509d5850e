import { type AnyModel, definitionOf, rootOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { refuseUnknown, requireFunction, shown } from '../values/check';

/** How a value is shown: its path decides. A result of undefined leaves the value as it is. */
export type Formatter = (value: unknown) => unknown;

/** What is shown of which models. */
export interface ViewOptions {
  /** The models whose queues are shown, each with a name of its own. */
  models: readonly object[];

  /**
   * Paths that nobody sees or searches, with all that is below them: of every model, or by the names of models. Paths with `select: false`
   * are hidden anyway; the texts of failures are always shown. Default: none.
   */
  hide?: readonly string[] | Readonly<Record<string, readonly string[]>> | undefined;

  /** How values are shown, by model and path: `{ Email: { size: (bytes) => `${bytes} B` } }`. Default: as they are. */
  format?: Readonly<Record<string, Readonly<Record<string, Formatter>>>> | undefined;
}

export const HIDDEN = '[hidden]';

/** The models that are looked at, and what nobody may see of them. */
export class View {
  models: readonly AnyModel[];
  readonly #hidden = new Map<AnyModel, readonly string[]>();
  readonly #formatters: NonNullable<ViewOptions['format']>;

  constructor(private readonly options: ViewOptions) {
    const { models, hide = [], format = {} } = options;
    this.models = checkModels(models);
    const names = new Set(this.models.flatMap((model) => family(model).map(({ modelName }) => modelName)));
    checkHide(hide, names);
    checkFormat(format, names);
    this.#formatters = format;
    for (const model of this.models) this.#hidden.set(model, hiddenIn(model, hide));
  }

  /** The same of some of the models: for the others nothing is shown. */
  only(models: readonly AnyModel[]): View {
    const names = new Set(models);
    if (this.models.every((model) => names.has(model))) return this;
    const view = new View(this.options);
    for (const model of view.models) if (!names.has(model)) view.#leaveOut(model);

    return view;
  }

  model(name: unknown): AnyModel | undefined {
    return this.models.find(({ modelName }) => modelName === name);
  }

  /** The shown model of a document that another refers to: its own, or the base whose collection it is in. */
  shownModelOf(model: AnyModel): AnyModel | undefined {
    return [model, rootOf(model)].find((one) => this.models.includes(one));
  }

  /** Whether nobody sees what is at the path. A model that is not shown shows nothing. */
  isHidden(model: AnyModel, path: string): boolean {
    const hidden = this.#hidden.get(model);
    const place = withoutPlaces(path);

    return !hidden || hidden.some((one) => place === one || place.startsWith(`${one}.`));
  }

  /** Whether something at or below the path is hidden. */
  hidesPartOf(model: AnyModel, path: string): boolean {
    const place = `${withoutPlaces(path)}.`;

    return this.isHidden(model, path) || this.#hidden.get(model)!.some((one) => one.startsWith(place));
  }

  #leaveOut(model: AnyModel): void {
    this.models = this.models.filter((one) => one !== model);
    this.#hidden.delete(model);
  }

  /** The formatter of a path, if there is one. */
  formatter(model: AnyModel, path: string): Formatter | undefined {
    const given = family(model).map(({ modelName }) => this.#formatters[modelName]);

    return given.find((one) => one && Object.hasOwn(one, path))?.[path];
  }
}

/** The model, its base, and its kinds: what is said of one of them holds for the documents of all. */
function family(model: AnyModel): AnyModel[] {
  return [
    ...new Set([model, rootOf(model), ...Object.values((model.discriminators ?? {}) as Record<string, AnyModel>)]),
  ];
}

function hiddenIn(model: AnyModel, hide: NonNullable<ViewOptions['hide']>): string[] {
  const given = isList(hide) ? hide : family(model).flatMap(({ modelName }) => hide[modelName] ?? []);
  const unselected = family(model).flatMap((one) => Object.keys(definitionOfAny(one)));

  return [...new Set([...given, ...unselected].map(withoutPlaces))];
}

/** The path without the places of lists: `items.0.price` leads to what is hidden as `items.price`. */
function withoutPlaces(path: string): string {
  return path.replaceAll(/\.\d+(?=\.|$)/g, '');
}

function definitionOfAny(model: AnyModel): Readonly<Record<string, 0>> {
  try {
    return definitionOf(model).hidden ?? {};
  } catch {
    // The base of a kind that alone has the plugin.
    return {};
  }
}

function isList(hide: NonNullable<ViewOptions['hide']>): hide is readonly string[] {
  return Array.isArray(hide);
}

function checkModels(models: unknown): AnyModel[] {
  const list = Array.isArray(models) ? (models as AnyModel[]) : [];
  if (list.length === 0)
    throw new InvalidOptionError(
      `Expected \`models\` to be an array of models, got ${shown(models)}. Write for example \`models: [Email, Report]\`.`,
    );
  for (const model of list) definitionOf(model);
  const twice = list.find(({ modelName }, index) => list.findIndex((one) => one.modelName === modelName) !== index);
  if (twice)
    throw new InvalidOptionError(
      `Expected \`models\` to have names of their own, got \`${twice.modelName}\` twice. Leave one out, or show it by another dashboard.`,
    );

  return list;
}

function checkHide(hide: NonNullable<ViewOptions['hide']>, names: ReadonlySet<string>): void {
  if (!isList(hide)) refuseUnknown(hide, [...names], 'hide');
  const paths = isList(hide) ? hide : Object.values(hide).flat();
  const wrong = paths.find((path) => typeof path !== 'string' || path === '');
  if (wrong !== undefined)
    throw new InvalidOptionError(
      `Expected \`hide\` to have paths, got ${shown(wrong)}. Write for example \`hide: ['password']\`, or \`hide: { Email: ['to'] }\`.`,
    );
}

function checkFormat(format: NonNullable<ViewOptions['format']>, names: ReadonlySet<string>): void {
  refuseUnknown(format, [...names], 'format');
  for (const [name, formatters] of Object.entries(format))
    for (const [path, formatter] of Object.entries(formatters))
      requireFunction(
        `format.${name}.${path}`,
        formatter,
        `\`format: { ${name}: { ${path}: (value) => String(value) } }\``,
      );
}
