import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The programs of a folder, each as the Markdown of a page. */
export function programs(folder: string): { readonly name: string; readonly page: string }[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

  return files.toSorted().map((file) => ({
    name: file.replace(/\.ts$/, ''),
    page: `# ${file}\n\n\`\`\`ts\n${readFileSync(join(folder, file), 'utf8')}\`\`\`\n`,
  }));
}
