import { startMongod } from '../mongod';
import { readInput, say } from './talk';

const { dbPath } = readInput<{ dbPath: string }>();

void startMongod({ dbPath }).then(({ uri }) => say({ port: Number(new URL(uri).port) }));
