import { readFileSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** A page that somebody looks at, and whatever the browser complained of meanwhile. */
export interface Visit {
  readonly page: Page;
  /** Errors of the page and of the console, refusals by the Content-Security-Policy among them. */
  readonly complaints: string[];
  close(): Promise<void>;
}

export interface VisitOptions extends BrowserContextOptions {
  /** The path of the mount, with a slash at its end. */
  readonly origin: string;
}

export const WIDE = { width: 1280, height: 860 };
export const NARROW = { width: 360, height: 780 };

/** Opens a route of the page in a window of its own. */
export async function visit(browser: Browser, route: string, { origin, ...options }: VisitOptions): Promise<Visit> {
  const context = await browser.newContext({ viewport: WIDE, reducedMotion: 'reduce', ...options });
  // What is not there after so long is not coming: the machine may be busy, though.
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error.stack ?? error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  await page.goto(`${origin}#/${route}`);

  return { page, complaints, close: () => context.close() };
}

/** What axe finds wrong with the page as it is: the rule, and where. */
export async function findings(page: Page): Promise<string[]> {
  if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(axe);

  return page.evaluate(async () => {
    const { run } = (globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe;
    interface Violation {
      id: string;
      nodes: { html: string }[];
    }
    const { violations } = await run();

    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  });
}

/** By how many pixels the page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate('Math.max(0, document.documentElement.scrollWidth - innerWidth)');
}
