import { resolve } from 'node:path';
import { runWorkers } from 'mongoose-task-queue';
import { readInput, say } from './talk';

interface Input {
  /** A program beside this one. */
  file: string;
  processes: number;
  args: string[];
}

const { file, ...options } = readInput<Input>();

const workers = runWorkers(resolve(__dirname, file), options);
workers.on('started', (pid) => say({ started: pid }));
workers.on('exited', (pid, code, signal) => say({ exited: pid, code, signal }));
workers.on('stopped', () => say({ stopped: true }));
