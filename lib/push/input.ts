import { type AnyDocument, type AnyModel, definitionOf, modelOf } from '../definition/definition';
import { InvalidOptionError } from '../errors';
import { isPriority, wrongPriority } from '../fields';
import { explained } from '../server/explain-error';
import { wrongValue } from '../values/check';

/** The document to push for what the user gave: a document of the model, or the fields of a new one. */
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

// A document of another model, an id or a date would make a document too, but of nothing that was meant.
function isFields(input: unknown): input is Record<string, unknown> {
  if (input === null || typeof input !== 'object' || Array.isArray(input)) return false;

  return !('$locals' in input || '_bsontype' in input || input instanceof Date);
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

// A priority that Mongoose could not cast is its ValidationError; ours says what to write instead. What the server says of a missing right
// shows the documents.
export function explainPush(model: AnyModel): (error: unknown) => never {
  const { priority } = definitionOf(model).options.fields;

  return (error) => {
    const wrong = (error as { errors?: Record<string, { value?: unknown }> }).errors?.[priority];
    if (wrong) throw Object.assign(wrongPriority(priority, wrong.value), { cause: error });
    throw explained(error);
  };
}
