import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describeInBrowser, useBrowser } from '../../support/dashboard/chromium';
import { type Mounted, mount } from '../../support/dashboard/mount';
import { findings, NARROW, overflow, visit, type VisitOptions } from '../../support/dashboard/visit';
import { makeWorld, type World, writeHistory } from '../../support/dashboard/world';
import { useDatabase } from '../../support/database';
import { eventually } from '../../support/eventually';

const PICTURES = process.env['SCREENSHOTS'] ? join(__dirname, '../../../docs/pictures') : null;

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

  const task = (model: string, id: unknown) =>
    `${model}/task/${encodeURIComponent(JSON.stringify({ $oid: String(id) }))}`;

  // What a person looks for, the route, and what is to be seen there when all has been loaded.
  const VIEWS: readonly [name: string, route: () => string, seen: readonly (string | RegExp)[]][] = [
    ['overview', () => '', [/problems$/, 'Thumbnail', '70', /8 finished|finished/]],
    ['tasks', () => 'Email/tasks', ['to: ada@example.org, subject: Invoice 1100, amount: 100', 'running', 'delayed']],
    ['failed', () => 'Email/tasks?state=FAILED&q=amount:<9', [/Greylisted/, /No index has `amount`/]],
    ['nothing-found', () => 'Email/tasks?q=to:nobody', ['No task matches']],
    [
      'task',
      () => task('Email', world.Email.name && failed._id),
      ['failed', 'hidden', '"donald@example.org"', /Attempt 1 failed/],
    ],
    ['graph', () => task('Report', world.waiting._id), ['blocked', 'not done yet', '5 dependencies in words']],
    ['circle', () => task('Report', world.hen), [/These tasks wait for each other and never begin/]],
    ['schedules', () => 'schedules', ['nightly', '0 3 * * *', 'Europe/Berlin', '4 more']],
    ['workers', () => 'workers', ['2 of 2 busy', /left$/]],
    ['history', () => 'history', ['Tasks a minute', 'Waiting time', 'Running time']],
    ['nowhere', () => 'Nothing/tasks', ['There is nothing at this address']],
  ];
  let failed: { _id: unknown };

  beforeAll(async () => {
    failed = (await world.Email.findOne({ state: 'FAILED', to: /^barbara/ }))!;
  });

  async function look([name, route, seen]: (typeof VIEWS)[number], label: string, options: VisitOptions) {
    const { page, complaints, close } = await visit(chromium.browser, route(), options);
    const main = page.locator('main');
    for (const text of seen) await main.getByText(text).first().waitFor();
    if (PICTURES) await shoot(page, `${name}-${label}`);
    const found = { complaints, axe: await findings(page), tooWide: await overflow(page) };
    await close();

    return found;
  }

  async function shoot(page: Awaited<ReturnType<typeof visit>>['page'], name: string) {
    mkdirSync(PICTURES!, { recursive: true });
    await page.screenshot({ path: join(PICTURES!, `${name}.png`) });
  }

  const NOTHING_WRONG = { complaints: [], axe: [], tooWide: expect.not.toBePositive?.() };

  describe.each(VIEWS)('%s', (...view) => {
    it('has nothing that axe or the browser complains of, at the root of a server', async () => {
      expect(await look(view, 'light', { origin: atRoot.origin })).toEqual(NOTHING_WRONG);
    });

    it('is the same below a path, in the dark and on a narrow screen', async () => {
      const options = { origin: below.origin, colorScheme: 'dark', viewport: NARROW } as const;
      expect(await look(view, 'narrow', options)).toEqual(NOTHING_WRONG);
    });
  });
});
