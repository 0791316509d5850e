/** Search in the fields of the user's own documents. What is searched for is in the address, so it can be sent to others. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { useModel } from '../about';
import { Icon } from '../parts/icon';
import { addressOfTasks, go } from '../route';
import { useShortcuts } from '../shortcuts';

interface Props {
  model: string;
  query: Readonly<Record<string, string>>;
}

const SORTS = [
  ['', 'in their order'],
  ['-createdAt', 'newest first'],
  ['createdAt', 'oldest first'],
] as const;

export function Search({ model, query }: Props) {
  const { q = '', state, sort = '' } = query;
  const input = useRef<HTMLInputElement>(null);
  const [words, setWords] = useState(q);
  useEffect(() => setWords(q), [q]);
  const search = (next: { q?: string; sort?: string }) => go(addressOfTasks(model, { state, q, sort, ...next }));
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
            {SORTS.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Fields model={model} onPick={add} />
    </form>
  );
}

function Fields({ model, onPick }: { model: string; onPick: (path: string) => void }) {
  const fields = useModel(model)?.fields ?? [];

  return (
    <details class="fields-help">
      <summary>How to search</summary>
      <p>
        Words are <code>field:value</code>, <code>field:&gt;5</code>, <code>field:&lt;=5</code>; or write a filter as JSON:{' '}
        <code>{'{"amount": {"$gt": 5}}'}</code>. Fields with an index are found quickly however many tasks there are.
      </p>
      <ul>
        {fields.map(({ path, type, indexed }) => (
          <li key={path}>
            <button type="button" class={indexed ? 'chip indexed' : 'chip'} onClick={() => onPick(path)}>
              {path} <span class="muted">{type}</span>
              {indexed && <span class="chip-index">index</span>}
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}
