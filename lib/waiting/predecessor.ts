import { findAside } from '../claim/behind';
import type { Definition, RawDocument } from '../definition/definition';
import { keyText } from '../indexes/key-index';
import { readBookkeeping } from '../task/bookkeeping';

/** What holds a task back that waits for the end of the one before it of its key, in the form of `BlockedBy`: that one, while it lives. */
export async function explainBehind(definition: Definition, { _task: task }: RawDocument) {
  const { model, options } = definition;
  const { behind, key } = readBookkeeping({ ...task });
  const text = keyText(key);
  const aside = behind && text !== undefined ? await findAside(definition, text) : null;
  if (!aside) return [];
  const values = { [options.fields.state]: aside[options.fields.state] as unknown };
  const documents = [{ model: model.modelName, id: aside._id as unknown, standing: 'unmet' as const, values }];

  return [{ path: null, type: 'behind' as const, documents, cycle: null }];
}
