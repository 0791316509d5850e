import { types } from 'node:util';
import { type AnyDocument, type AnyModel, definitionOf, modelOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { isPriority, wrongPriority } from '../fields';
import { explained } from '../server/explain-error';
import { isTooLarge } from '../server/permanent';
import { wrongValue } from '../values/check';
import { sentenceOf } from '../values/describe';

/** The document to push: the given one, or a new one with the given fields. @throws {InvalidOptionError} for any other input. */
export function toDocument(model: AnyModel, input: unknown): AnyDocument {
  if (input instanceof model) return input as AnyDocument;
  if (!isFields(input)) {
    throw wrongValue(
      'input',
      `a document of ${model.modelName} or an object with its fields`,
      input,
      `\`${model.modelName}.push({ … })\``,
    );
  }
  refuseCategory(model, input);
  const { priority } = definitionOf(model).options.fields;
  const given = input[priority];
  if (given !== undefined && !isPriority(given)) throw wrongPriority(priority, given);

  return new model(input) as AnyDocument;
}

// Mongoose would also make a document of another model's document, an id, a promise or a set, but it would have none of their values.
function isFields(input: unknown): input is Record<string, unknown> {
  if (input === null || typeof input !== 'object') return false;
  const isOther =
    '$locals' in input || '_bsontype' in input || Symbol.iterator in input || Symbol.asyncIterator in input;
  const isPromise = typeof (input as { then?: unknown }).then === 'function';

  return (
    !isOther &&
    !isPromise &&
    !types.isDate(input) &&
    !types.isRegExp(input) &&
    !types.isNativeError(input) &&
    !types.isAnyArrayBuffer(input) &&
    !(input instanceof URL)
  );
}

function refuseCategory(model: AnyModel, input: object): void {
  const { category, fields } = definitionOf(model).options;
  if (category || !(fields.category in input) || model.schema.path(fields.category)) return;
  throw new InvalidOptionError(
    `Expected no \`${fields.category}\` for ${model.modelName}, because its tasks have none. Write \`taskQueue(schema, { category: true })\` to give them one.`,
  );
}

/** @throws {InvalidOptionError} for a priority that is no whole number from -100 to 100. */
export function checkPriority(document: AnyDocument): void {
  const { priority } = definitionOf(modelOf(document)).options.fields;
  const value: unknown = document.get(priority);
  if (value !== undefined && value !== null && !isPriority(value)) throw wrongPriority(priority, value);
}

// Replaces Mongoose's ValidationError for a priority, and the driver's error for a document that is too large, by one that says what to write
// instead, and the server's error for a missing right, whose message shows the documents.
export function explainPush(model: AnyModel): (error: unknown) => never {
  const { priority } = definitionOf(model).options.fields;

  return (error) => {
    const wrong = (error as { errors?: Record<string, { value?: unknown }> }).errors?.[priority];
    if (wrong) throw Object.assign(wrongPriority(priority, wrong.value), { cause: error });
    if (isTooLarge(error))
      throw new InvalidOptionError(
        `Expected a ${model.modelName} that fits into a document of MongoDB, 16 MB, got one that is too large: ${sentenceOf(error)} Store what is large elsewhere, and push where it is.`,
        { cause: error },
      );
    throw explained(error);
  };
}
