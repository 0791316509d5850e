/** A value of a document, as relaxed Extended JSON has it: in the colours of its kind, long ones over several lines. */
import type { ComponentChildren } from 'preact';
import { exact } from '../words';

const HIDDEN = '[hidden]';

export function Value({ of: value, indent = '' }: { of: unknown; indent?: string }) {
  if (value === HIDDEN) return <span class="v-hidden">hidden</span>;
  if (typeof value === 'string') return <span class="v-text">{JSON.stringify(value)}</span>;
  if (typeof value === 'number' || typeof value === 'boolean') return <span class="v-number">{String(value)}</span>;
  if (value === null || value === undefined) return <span class="muted">{String(value)}</span>;

  return wrapped(value) ?? <Nested value={value} indent={indent} />;
}

/** What Extended JSON wraps: an id, a date, an exact number. */
function wrapped(value: object): ComponentChildren {
  const [[kind, inside] = ['', undefined], ...others] = Object.entries(value);
  if (others.length > 0 || !kind.startsWith('$')) return undefined;
  if (kind === '$date' && typeof inside === 'string')
    return (
      <time class="v-number" dateTime={inside} title={exact(inside)}>
        {inside}
      </time>
    );

  return (
    <span class="v-number" title={kind.slice(1)}>
      {typeof inside === 'object' ? JSON.stringify(inside) : String(inside)}
    </span>
  );
}

function Nested({ value, indent }: { value: object; indent: string }) {
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  const [open, close] = list ? '[]' : '{}';
  if (entries.length === 0) return <span class="muted">{list ? '[]' : '{}'}</span>;
  const deeper = `${indent}  `;

  return (
    <>
      {open}
      {entries.map(([key, inside], index) => (
        <>
          {`\n${deeper}`}
          {!list && <span class="v-key">{key}: </span>}
          <Value of={inside} indent={deeper} />
          {index < entries.length - 1 && ','}
        </>
      ))}
      {`\n${indent}`}
      {close}
    </>
  );
}
