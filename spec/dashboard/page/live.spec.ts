import type { Page } from 'playwright-core';
import { describeInBrowser, useBrowser } from '../../support/dashboard/chromium';
import { type Mounted, mount } from '../../support/dashboard/mount';
import { visit } from '../../support/dashboard/visit';
import { makeWorld, type World } from '../../support/dashboard/world';
import { useDatabase } from '../../support/database';
import { eventually } from '../../support/eventually';

describeInBrowser('the page while things happen', () => {
  let world: World;
  let mounted: Mounted;
  let page: Page;
  let complaints: string[];
  let closeVisit: () => Promise<void>;

  // Before the hook of the database: a worker that has lost it would try for half a minute to say what became of its tasks.
  afterAll(async () => {
    await mounted?.close();
    await world?.end();
  });

  const database = useDatabase('replicaSet');
  const chromium = useBrowser();

  beforeAll(async () => {
    world = await makeWorld(database.connection);
    mounted = await mount('/', { models: [world.Email, world.Thumbnail, world.Report, world.Cleanup] });
  });

  beforeEach(async () => {
    ({ page, complaints, close: closeVisit } = await visit(chromium.browser, 'Thumbnail/tasks', mounted));
  });

  afterEach(() => closeVisit());

  const push = (file: string) => world.Thumbnail.push({ file });
  const main = () => page.locator('main');

  describe('news', () => {
    it('shows a task that was pushed, without being asked', async () => {
      await page.getByRole('button', { name: 'Live' }).waitFor();
      await push('new.png');

      await main().getByText('file: new.png').waitFor();
    });

    it('keeps still while it is paused, and catches up afterwards', async () => {
      await page.getByRole('button', { name: 'Live' }).click();
      await page.getByRole('button', { name: 'Paused' }).waitFor();
      await page.waitForLoadState('networkidle');
      let asked = 0;
      page.on('request', (request) => void (asked += request.url().includes('api/') ? 1 : 0));
      await push('quiet.png');
      // A second page is told of it, so this one would have been as well.
      const other = await visit(chromium.browser, 'Thumbnail/tasks', mounted);
      await other.page.locator('main').getByText('file: quiet.png').waitFor();
      await other.close();
      expect(asked).toBe(0);
      await page.keyboard.press('p');

      await main().getByText('file: quiet.png').waitFor();
    });

    it('hears of nothing while nobody sees it', async () => {
      await page.getByRole('button', { name: 'Live' }).waitFor();
      await eventually(() => expect(mounted.listeners()).toBe(1));
      await hide(true);
      await eventually(() => expect(mounted.listeners()).toBe(0));
      await push('unseen.png');
      await hide(false);

      await main().getByText('file: unseen.png').waitFor();
    });

    const hide = (hidden: boolean) =>
      page.evaluate(`
        Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      `);
  });

  describe('the keyboard', () => {
    beforeEach(() => main().getByText('file: 0.png').waitFor());

    it('goes to views, and to the search', async () => {
      await page.keyboard.press('g');
      await page.keyboard.press('w');
      await page.getByRole('heading', { name: 'Workers' }).waitFor();
      await page.goBack();
      await page.getByRole('searchbox').waitFor();
      await page.keyboard.press('/');
      await page.keyboard.type('file:0.png');
      await page.keyboard.press('Enter');
      await main().getByText('file: 1.png').waitFor({ state: 'detached' });

      expect(page.url()).toMatch(/#\/Thumbnail\/tasks\?q=file%3A0\.png$/);
    });

    it('walks through the tasks, selects them and opens one', async () => {
      await page.keyboard.press('j');
      await page.keyboard.press('x');
      await page.getByText('1 selected').waitFor();
      await page.keyboard.press('j');
      await page.keyboard.press('x');
      await page.getByText('2 selected').waitFor();
      await page.keyboard.press('k');
      await page.keyboard.press('Enter');

      await page.getByRole('heading', { name: /file: 0\.png/ }).waitFor();
    });

    it('stays in a dialog until it is closed, and is back where it was then', async () => {
      const help = page.getByRole('button', { name: 'Keyboard shortcuts' });
      await help.focus();
      await page.keyboard.press('Enter');
      const dialog = page.getByRole('dialog');
      await dialog.getByText('Previous task of the list').waitFor();
      for (let presses = 0; presses < 7; presses++) {
        await page.keyboard.press(presses < 4 ? 'Tab' : 'Shift+Tab');
        expect(await dialog.evaluate((element) => element.contains(element.ownerDocument.activeElement))).toBe(true);
      }
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });

      expect(await help.evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true);
    });

    it('types a letter where text is typed, and does nothing else once shortcuts are off', async () => {
      await page.getByRole('searchbox').focus();
      await page.keyboard.type('t?');
      expect(await page.locator('html').getAttribute('data-theme')).toBe('light');
      await page.getByRole('button', { name: 'Keyboard shortcuts' }).click();
      await page.getByLabel('Shortcuts are on').uncheck();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await page.keyboard.press('t');

      expect(await page.locator('html').getAttribute('data-theme')).toBe('light');
    });
  });

  describe('the theme', () => {
    it('is that of the system, until another is chosen, which lasts', async () => {
      const theme = () => page.locator('html').getAttribute('data-theme');
      await page.emulateMedia({ colorScheme: 'dark' });
      await eventually(async () => expect(await theme()).toBe('dark'));
      await page.getByRole('button', { name: 'Light theme' }).click();
      expect(await theme()).toBe('light');
      await page.reload();
      await main().getByText('file: 0.png').waitFor();

      expect(await theme()).toBe('light');
    });
  });

  describe('the first moment', () => {
    it('is at the address, and in the theme, that came between the first sight and the first listener', async () => {
      // The page is drawn, then the browser paints, then the page begins to listen.
      await page.addInitScript(`
        new MutationObserver((_, observer) => {
          if (!document.querySelector('main')) return;
          observer.disconnect();
          location.hash = '#/workers';
          document.documentElement.dataset.theme = 'dark';
        }).observe(document, { childList: true, subtree: true });
      `);
      await page.reload();
      await page.getByRole('heading', { name: 'Workers' }).waitFor();

      await page.getByRole('button', { name: 'Light theme' }).waitFor();
    });
  });

  describe('a server that does not answer', () => {
    it('is told in place, beside what was known, and asked again', async () => {
      await main().getByText('file: 0.png').waitFor();
      await page.route('**/api/tasks*', (route) =>
        route.fulfill({ status: 503, json: { error: { code: 'slow', message: 'It took too long.' } } }),
      );
      await page.keyboard.press('r');
      await page.getByRole('alert').getByText('It took too long.').waitFor();
      await main().getByText('file: 0.png').waitFor();
      await page.unroute('**/api/tasks*');
      await page.getByRole('button', { name: 'Try again' }).click();
      await page.getByRole('alert').waitFor({ state: 'detached' });

      expect(complaints).toEqual([expect.stringContaining('503')]);
    });

    it('is told in place of the first answer, too', async () => {
      await page.route('**/api/about', (route) => route.fulfill({ status: 401, body: 'Log in' }));
      await page.reload();

      await page.getByRole('alert').getByText('You are not logged in, or no longer.').waitFor();
    });
  });

  describe('what is not allowed', () => {
    it('is not offered', async () => {
      const { Email, Thumbnail } = world;
      const authorize = (_: unknown, action: string) => ['view', 'cancel'].includes(action);
      const limited = await mount('/', { models: [Email, Thumbnail], authorize });
      const readOnly = await mount('/', { models: [Email, Thumbnail], readOnly: true });
      const offered = async ({ origin }: Mounted) => {
        const other = await visit(chromium.browser, 'Thumbnail/tasks', { origin });
        const { page: theirs } = other;
        await theirs.locator('main').getByText('file: 0.png').first().waitFor();
        const all = theirs.getByRole('button', { name: /that match$/ });
        if ((await all.count()) > 0) await all.click();
        const names = await theirs.locator('main').getByRole('button').allTextContents();
        const tags = await theirs.getByText('read only').count();
        await other.close();

        return { names: names.filter((name) => /^(Retry|Cancel|Delete|Requeue|Pause|Resume|Edit)$/.test(name)), tags };
      };

      expect(await offered(limited)).toEqual({ names: ['Cancel'], tags: 0 });
      expect(await offered(readOnly)).toEqual({ names: [], tags: 1 });
      await Promise.all([limited.close(), readOnly.close()]);
    });
  });
});
