/** The fields of a task as JSON, to be changed while it does not run. The schema validates them when they are saved. */
import { useMemo, useState } from 'preact/hooks';
import type { Acted, TaskDetails } from '../../api';
import { tell } from '../client';
import { Dialog } from '../parts/dialog';
import { Notice } from '../parts/notice';
import { Text } from '../parts/text';
import { say } from '../parts/toast';

interface Props {
  model: string;
  id: string;
  task: TaskDetails;
  onClose: (changed: boolean) => void;
}

type Fields = Record<string, unknown>;

export function EditDialog({ model, id, task, onClose }: Props) {
  // As they were when the dialog opened, whatever comes in meanwhile.
  const before = useMemo(() => editableOf(task), []);
  const [text, setText] = useState(() => JSON.stringify(before, null, 2));
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const save = async () => {
    const read = parsed(text);
    if (typeof read === 'string') return setError(read);
    const set = changesOf(before, read);
    if (Object.keys(set).length === 0) return onClose(false);
    setBusy(true);
    try {
      const { done, skipped } = await tell<Acted>('act', { action: 'edit', model, ids: [id], set });
      if (done === 0)
        throw new Error(skipped[0]?.reason ?? 'Nothing was saved: the task is no longer as it was shown.');
      say(`Saved ${Object.keys(set).join(', ')}.`);
      onClose(true);
    } catch (reason) {
      setError((reason as Error).message);
      setBusy(false);
    }

    return undefined;
  };

  return (
    <Dialog wide title={`Edit task ${task.row.label}`} onClose={() => onClose(false)}>
      {error && (
        <Notice tone="bad">
          <Text of={error} />
        </Notice>
      )}
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <label class="field">
          Fields, as JSON
          <textarea
            data-first
            rows={Math.min(24, Math.max(8, text.split('\n').length + 1))}
            spellcheck={false}
            value={text}
            onInput={({ currentTarget }) => {
              setText(currentTarget.value);
              setError(undefined);
            }}
          />
          <small class="muted">
            Ids and dates are Extended JSON, as {'{"$oid": "…"}'}. A field that is taken out is left as it is.
          </small>
        </label>
        <footer>
          <button type="button" onClick={() => onClose(false)}>
            Leave it
          </button>
          <button type="submit" class="primary" disabled={busy}>
            Save
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function editableOf({ fields, editable }: TaskDetails): Fields {
  return Object.fromEntries(
    editable.map((path) => [path, at(fields, path)]).filter(([, value]) => value !== undefined),
  );
}

function at(fields: Fields, path: string): unknown {
  return path in fields
    ? fields[path]
    : path.split('.').reduce<unknown>((value, name) => (value as Fields | undefined | null)?.[name], fields);
}

function changesOf(before: Fields, after: Fields): Fields {
  return Object.fromEntries(
    Object.entries(after).filter(([path, value]) => JSON.stringify(value) !== JSON.stringify(before[path])),
  );
}

/** The fields, or what is wrong with the text. */
function parsed(text: string): Fields | string {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Fields)
      : 'Expected an object of fields: { "field": value }.';
  } catch (error) {
    return `This is no JSON: ${(error as Error).message}`;
  }
}
