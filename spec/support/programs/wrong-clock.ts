import './wrong-date'; // First, so that nothing has seen the right time.
import { createConnection } from 'mongoose';
import { makeNote } from '../note';
import { readInput, say } from './talk';

interface Input {
  uri: string;
  role: 'claimer' | 'producer';
}

const { uri, role } = readInput<Input>();

async function main(): Promise<void> {
  const connection = await createConnection(uri).asPromise();
  const Note = makeNote(connection);
  say({ wallClock: Date.now(), year: new Date().getFullYear() });
  if (role === 'claimer') await claim(Note);
  else await produce(Note);
  await connection.destroy();
}

async function claim(Note: ReturnType<typeof makeNote>): Promise<void> {
  for await (const note of Note.queue({ pollMs: 20 })) {
    say({ popped: note.text, until: note.lease!.until });
    if (note.text === 'last') return;
    if (note.text === 'renewed') say({ renewedUntil: (await note.renew()).until });
    else if (note.text !== 'kept') await note.finish();
  }
}

async function produce(Note: ReturnType<typeof makeNote>): Promise<void> {
  await Note.push({ text: 'retried' });
  const retried = await Note.pop();
  await retried!.retry({ delayMs: 500, error: new Error('again') });
  const finished = await Note.push({ text: 'finished' });
  await finished.finish();
  await Note.push({ text: 'delayed' }, { delayMs: 500 });
  await Note.push([{ text: 'ready' }, { text: 'ready too' }]);
}

void main();
