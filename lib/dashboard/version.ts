import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

let version: string | null = null;

/** The version of this package. */
export function packageVersion(): string {
  version ??= (JSON.parse(readFileSync(resolve(__dirname, '../../package.json'), 'utf8')) as { version: string })
    .version;

  return version;
}
