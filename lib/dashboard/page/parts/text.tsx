/**
 * A sentence of the server, in which what stands between backticks is code. A backtick without its other half is one of the text, as in a
 * failure's message.
 */
export function Text({ of: text }: { of: string }) {
  const parts = text.split('`');
  const isWhole = parts.length % 2 === 1;
  if (!isWhole) return <>{text}</>;
  const isCode = (index: number) => index % 2 === 1;

  return <>{parts.map((part, index) => (isCode(index) ? <code key={index}>{part}</code> : part))}</>;
}
