import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtPage } from '../../lib/dashboard/assets';

/** Serves a small page in this spec file, so that it does not matter whether the real one is built. */
export function useSmallPage(): void {
  const folder = mkdtempSync(join(tmpdir(), 'page-'));
  writeFileSync(join(folder, 'index.html'), '<!doctype html><script type="module" src="assets/page-1.js"></script>');
  writeFileSync(join(folder, 'page-1.js'), `// ${'a page '.repeat(500)}`);
  writeFileSync(join(folder, 'page-1.css'), 'body { margin: 0 }');
  builtPage(folder);
  rmSync(folder, { recursive: true });
}
