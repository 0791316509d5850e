import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describeInBrowser, useBrowser } from '../../support/dashboard/chromium';
import { type Mounted, mount, routeOf } from '../../support/dashboard/mount';
import { findings, NARROW, overflow, visit, type VisitOptions } from '../../support/dashboard/visit';
import { makeWorld, type World, writeHistory } from '../../support/dashboard/world';
import { useDatabase } from '../../support/database';
import { eventually } from '../../support/eventually';

/** With `SCREENSHOTS=1` these are taken for the documentation. */
const PICTURES: Readonly<Record<string, 'light' | 'dark'>> = { overview: 'light', failed: 'dark', graph: 'light' };
const FOLDER = join(__dirname, '../../../docs/pictures');

interface View {
  readonly name: string;
  readonly route: (world: World) => string;
  /** What is to be seen when all has been loaded. */
  readonly seen: readonly (string | RegExp)[];
}

const VIEWS: readonly View[] = [
  { name: 'overview', route: () => '', seen: [/problems?$/, 'Thumbnail', /finished/] },
  { name: 'tasks', route: () => 'Email/tasks', seen: [/to: ada@example\.org, subject: Invoice 1100/, 'running'] },
  {
    name: 'failed',
    route: () => 'Email/tasks?state=FAILED&q=amount:<9',
    seen: [/Greylisted/, /No index has `amount`/],
  },
  { name: 'nothing found', route: () => 'Email/tasks?q=to:nobody', seen: ['No task matches'] },
  { name: 'task', route: ({ failed }) => routeOf('Email', failed), seen: ['failed', 'hidden', /Attempt 1 failed/] },
  {
    name: 'graph',
    route: ({ waiting }) => routeOf('Report', waiting),
    seen: ['5 dependencies in words', 'not done yet'],
  },
  { name: 'circle', route: ({ hen }) => routeOf('Report', hen), seen: [/wait for each other and never begin/] },
  { name: 'schedules', route: () => 'schedules', seen: ['nightly', '0 3 * * *', 'Europe/Berlin', '4 more'] },
  { name: 'workers', route: () => 'workers', seen: ['2 of 2 busy'] },
  { name: 'history', route: () => 'history', seen: ['Tasks a minute', 'Waiting time', 'Running time'] },
  { name: 'nowhere', route: () => 'Nothing/tasks', seen: ['There is nothing at this address'] },
];

describeInBrowser('the page', () => {
  const database = useDatabase('replicaSet');
  const chromium = useBrowser();
  let world: World;
  let atRoot: Mounted;
  let below: Mounted;

  beforeAll(async () => {
    world = await makeWorld(database.connection);
    await writeHistory(world);
    const { Email, Report, Thumbnail, Cleanup } = world;
    const options = { models: [Email, Report, Thumbnail, Cleanup], hide: ['password'], title: 'Acme queues' };
    atRoot = await mount('/', options);
    below = await mount('/admin/queues', options);
    // A worker is known some seconds after its start.
    await eventually(async () => expect(await Email.workers()).toHaveLength(1));
  });

  afterAll(async () => {
    await Promise.all([atRoot?.close(), below?.close()]);
    await world?.end();
  });

  /** What is wrong with a view, in whatever way. */
  async function look({ name, route, seen }: View, options: VisitOptions) {
    const { page, complaints, close } = await visit(chromium.browser, route(world), options);
    for (const text of seen) await page.locator('main').getByText(text).first().waitFor();
    if (options.viewport !== NARROW && PICTURES[name] === (options.colorScheme ?? 'light')) await picture(page, name);
    const wrong = { complaints, axe: await findings(page), tooWide: Math.max(0, await overflow(page)) };
    await close();

    return wrong;
  }

  const NOTHING = { complaints: [], axe: [], tooWide: 0 };

  describe.each(VIEWS)('$name', (view) => {
    it('has nothing that axe or the browser complains of, at the root of a server', async () => {
      expect(await look(view, { origin: atRoot.origin })).toEqual(NOTHING);
    });

    it('is the same below a path, in the dark', async () => {
      expect(await look(view, { origin: below.origin, colorScheme: 'dark' })).toEqual(NOTHING);
    });

    it('fits a narrow screen', async () => {
      expect(await look(view, { origin: below.origin, viewport: NARROW })).toEqual(NOTHING);
    });
  });
});

async function picture(page: Page, name: string): Promise<void> {
  if (!process.env['SCREENSHOTS']) return;
  mkdirSync(FOLDER, { recursive: true });
  await page.screenshot({ path: join(FOLDER, `${name}.png`) });
}
