/** Of each line of the code, counted from 0 after `before` lines, the compiler's messages, in short. */
export function messagesOf(output: string, before: number): Map<number, string[]> {
  const messages = new Map<number, string[]>();
  let latest: string[] = [];
  for (const line of output.split('\n').filter((one) => one !== '')) {
    const [, at, text] = /^mistakes\.ts\((\d+),\d+\): error TS\d+: (.*)$/.exec(line) ?? [];
    if (at === undefined) latest.push(short(line));
    else {
      const index = Number(at) - 1 - before;
      latest = messages.get(index) ?? [];
      messages.set(index, latest);
      latest.push(short(text!));
    }
  }

  return messages;
}

/** A message with long types cut, and unions of texts in the order of the alphabet: the compilers' orders differ. */
function short(message: string): string {
  return withoutArguments(message.trim())
    .replaceAll(/Document<…>( & (Omit|HydratedDocumentOverrides)<…>)+/g, 'Document<…>')
    .replaceAll(/\w+<…>( \| \w+<…>)+/g, (union) => union.split(' | ').toSorted().join(' | '))
    .replaceAll(/"\w+"( \| ("\w+"|RegExp))+|RegExp( \| "\w+")+/g, (union) => union.split(' | ').toSorted().join(' | '));
}

/** Every `Name<…>` with a long list of arguments as `Name<…>`, also where the compiler itself has cut it. */
function withoutArguments(message: string): string {
  let result = '';
  let depth = 0;
  for (let index = 0; index < message.length; index++) {
    const character = message[index]!;
    const isArrow = character === '>' && message[index - 1] === '=';
    if (character === '<') {
      if (depth === 0) result += '<…>';
      depth++;
    } else if (character === '>' && !isArrow && depth > 0) depth--;
    else if (depth === 0) result += character;
    // The end of a type that was cut: its brackets are not closed.
    else if (message.startsWith("...'", index)) depth = 0;
  }

  return result;
}
