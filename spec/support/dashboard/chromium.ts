import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const USUAL = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

const found = [process.env['CHROMIUM'], ...USUAL].find((path) => path && existsSync(path));

/** A `describe` of specs that need a browser. Where there is none they are skipped, and a line says so. */
export const describeInBrowser: typeof describe = found ? describe : describe.skip;

if (!found) process.stderr.write('No Chromium: the specs of the page are skipped. Set CHROMIUM to its path.\n');

/** The browser of the spec file that calls this, closed at its end. */
export function useBrowser(): { readonly browser: Browser } {
  let browser: Browser | undefined;

  beforeAll(async () => {
    if (found) browser = await chromium.launch({ executablePath: found, args: ['--no-sandbox'] });
  });

  afterAll(() => browser?.close());

  return {
    get browser() {
      if (!browser) throw new Error('The browser is started in beforeAll: use it in a hook or a test.');
      return browser;
    },
  };
}
