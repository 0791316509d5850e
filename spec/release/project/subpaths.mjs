import { createRequire } from 'node:module';

// Each entry by both module systems: they must be one module, or models of one would be strangers to the other.
const require = createRequire(import.meta.url);
const { name, exports } = require('mongoose-task-queue/package.json');
for (const subpath of Object.keys(exports).filter((one) => one !== './package.json')) {
  const entry = subpath.replace('.', name);
  const [imported, required] = [await import(entry), require(entry)];
  const names = Object.keys(required);
  const strange = names.filter((one) => imported[one] !== required[one]);
  if (names.length === 0 || strange.length > 0)
    throw new Error(`${entry} has ${names.join()}, of which it has twice: ${strange.join()}`);
  console.log(entry, names.length);
}
