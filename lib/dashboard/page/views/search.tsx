/** Search in the fields of the user's own documents. What is searched for is in the address, so it can be sent to others. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { AboutModel } from '../../api';
import { useModel } from '../about';
import { Icon } from '../parts/icon';
import { addressOfTasks, go } from '../route';
import { useShortcuts } from '../shortcuts';

interface Props {
  model: string;
  query: Readonly<Record<string, string>>;
}

/** The order of the server is that in which tasks are claimed, or for those that have ended the last first. */
const SORTS = [
  ['', 'in their order'],
  ['-_id', 'newest first'],
  ['_id', 'oldest first'],
] as const;

export function Search({ model, query }: Props) {
  const { q = '', state, sort = '' } = query;
  const input = useRef<HTMLInputElement>(null);
  const [words, setWords] = useState(q);
  useEffect(() => setWords(q), [q]);
  const search = (next: { q?: string; sort?: string }) => go(addressOfTasks(model, { state, q, sort, ...next }));
  const fields = useModel(model)?.fields ?? [];
  const indexed = fields
    .filter((field) => field.indexed && field.path !== '_id')
    .flatMap(({ path }) => [[path, `${path}, ascending`] as const, [`-${path}`, `${path}, descending`] as const]);
  const focus = () => input.current?.select();
  useShortcuts({ '/': focus });
  const add = (field: string) => {
    setWords(`${words.trim()} ${field}:`.trimStart());
    input.current?.focus();
  };

  return (
    <form
      role="search"
      class="search"
      onSubmit={(event) => {
        event.preventDefault();
        search({ q: words.trim() });
      }}
    >
      <div class="search-row">
        <div class="search-box">
          <Icon name="search" />
          <input
            ref={input}
            type="search"
            aria-label={`Search tasks of ${model}`}
            placeholder="to:anna@example.org amount:>5"
            spellcheck={false}
            autocomplete="off"
            autocapitalize="off"
            value={words}
            onInput={({ currentTarget }) => {
              setWords(currentTarget.value);
              if (currentTarget.value === '' && q !== '') search({ q: '' });
            }}
          />
          <kbd aria-hidden="true">/</kbd>
        </div>
        <button type="submit">Search</button>
        <label class="sort">
          <span class="for-readers">Order</span>
          <select value={sort} onChange={({ currentTarget }) => search({ sort: currentTarget.value })}>
            {[...SORTS, ...indexed].map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Fields fields={fields} onPick={add} />
    </form>
  );
}

const EXAMPLES = [
  ['to:anna@example.org', 'equal'],
  ['amount:>=5', 'compared, also < <= >'],
  ['createdAt:>-2h', 'in the last two hours, also s m d'],
  ['name:an*', 'begins with'],
  ['tag:a,b', 'one of'],
  ['state:!x', 'another'],
  ['order:*', 'any value'],
  ['note:"two words"', 'with spaces'],
  ['error:timeout', 'the text of a failure'],
  ['nightly', 'the id or the key of a task'],
  ['{"amount": {"$gt": 5}}', 'a filter as JSON'],
] as const;

function Fields({ fields, onPick }: { fields: AboutModel['fields']; onPick: (path: string) => void }) {
  return (
    <details class="fields-help">
      <summary>How to search</summary>
      <dl>
        {EXAMPLES.map(([example, meaning]) => (
          <div key={example}>
            <dt>
              <code>{example}</code>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p>All words must hold. Fields with an index are found quickly, however many tasks there are.</p>
      <ul>
        {fields.map(({ path, type, indexed }) => (
          <li key={path}>
            <button type="button" class="chip" onClick={() => onPick(path)}>
              {path} <span class="muted">{type}</span>
              {indexed && <span class="chip-index">index</span>}
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}
