import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describeInBrowser, useBrowser } from '../../support/dashboard/chromium';
import { type Mounted, mount, routeOf } from '../../support/dashboard/mount';
import { findings, NARROW, overflow, type Visit, visit, type VisitOptions, WIDE } from '../../support/dashboard/visit';
import { makeWorld, type World, writeHistory } from '../../support/dashboard/world';
import { useDatabase } from '../../support/database';
import { eventually } from '../../support/eventually';

/** With `SCREENSHOTS=1` these views are taken for the documentation, each in one theme. */
const PICTURES: Readonly<Record<string, readonly [file: string, theme: 'light' | 'dark']>> = {
  overview: ['overview', 'light'],
  tasks: ['tasks', 'dark'],
  graph: ['task', 'light'],
};
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
    seen: [/Greylisted/, /^No index has/],
  },
  { name: 'nothing found', route: () => 'Email/tasks?q=to:nobody', seen: ['No task matches'] },
  { name: 'task', route: ({ failed }) => routeOf('Email', failed), seen: ['failed', 'hidden', /Attempt 1 failed/] },
  {
    name: 'graph',
    route: ({ waiting }) => routeOf('Report', waiting),
    seen: ['5 dependencies in words', /Report .* is unmet/],
  },
  { name: 'circle', route: ({ hen }) => routeOf('Report', hen), seen: [/wait for each other and never begin/] },
  { name: 'schedules', route: () => 'schedules', seen: ['nightly', '0 3 * * *', 'Europe/Berlin', '4 more'] },
  { name: 'workers', route: () => 'workers', seen: ['2 of 2 busy'] },
  { name: 'history', route: () => 'history', seen: ['Tasks a minute', 'Waiting time', 'Running time'] },
  { name: 'nowhere', route: () => 'Nothing/tasks', seen: ['There is nothing at this address'] },
];

describeInBrowser('the page', () => {
  let world: World;
  let atRoot: Mounted;
  let below: Mounted;

  // Before the hook of the database: a worker that has lost it would try for half a minute to say what became of its tasks.
  afterAll(async () => {
    await Promise.all([atRoot?.close(), below?.close()]);
    await world?.end();
  });

  const database = useDatabase('replicaSet');
  const chromium = useBrowser();

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

  const MODES: readonly (readonly [mode: string, options: () => VisitOptions])[] = [
    ['at the root of a server', () => ({ origin: atRoot.origin })],
    ['below a path, in the dark', () => ({ origin: below.origin, colorScheme: 'dark' })],
    ['on a narrow screen', () => ({ origin: below.origin, viewport: NARROW })],
  ];

  describe.each(MODES)('%s', (mode, options) => {
    let visited: Visit;

    beforeAll(async () => {
      visited = await visit(chromium.browser, '', options());
    });

    afterAll(() => visited?.close());

    it.each(VIEWS)('has nothing that axe or the browser complains of: $name', async ({ name, route, seen }) => {
      const { page, complaints } = visited;
      await page.goto(`${options().origin}#/${route(world)}`);
      for (const text of seen) await page.locator('main').getByText(text).first().waitFor();
      if (process.env['SCREENSHOTS'] && mode !== 'on a narrow screen') await picture(page, name, options().colorScheme);
      const wrong = { complaints: complaints.splice(0), axe: await findings(page), tooWide: await overflow(page) };

      expect(wrong).toEqual({ complaints: [], axe: [], tooWide: 0 });
    });
  });
});

async function picture(page: Page, name: string, theme: VisitOptions['colorScheme'] = 'light'): Promise<void> {
  const [file, wanted] = PICTURES[name] ?? [];
  if (wanted !== theme) return;
  mkdirSync(FOLDER, { recursive: true });
  await page.setViewportSize({ width: 1180, height: 640 });
  // Charts and graphs take their size from the frame after a change.
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  await page.screenshot({ path: join(FOLDER, `${file}.png`) });
  await page.setViewportSize(WIDE);
}
