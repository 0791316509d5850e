import { Fragment } from 'preact';

/** A sentence of the server, in which what stands between backticks is code. */
export function Text({ of: text }: { of: string }) {
  const parts = text.split('`');
  // A backtick without its other half is one of the text.
  if (parts.length % 2 === 0) return <Fragment>{text}</Fragment>;
  const isCode = (index: number) => index % 2 === 1;

  return <Fragment>{parts.map((part, index) => (isCode(index) ? <code key={index}>{part}</code> : part))}</Fragment>;
}
