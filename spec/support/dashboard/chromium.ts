import { type Browser, chromium } from 'playwright-core';
import { chromiumPath } from './chromium-path';

/** A `describe` of specs that need a browser. Where there is none they are skipped, and a line says so. */
export const describeInBrowser: typeof describe = chromiumPath ? describe : describe.skip;

if (!chromiumPath) process.stderr.write('No Chromium: the specs of the page are skipped. Set CHROMIUM to its path.\n');

/** The browser of the spec file that calls this, closed at its end. */
export function useBrowser(): { readonly browser: Browser } {
  let browser: Browser | undefined;

  beforeAll(async () => {
    if (chromiumPath) browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
  });

  afterAll(() => browser?.close());

  return {
    get browser() {
      if (!browser) throw new Error('The browser is started in beforeAll: use it in a hook or a test.');
      return browser;
    },
  };
}
