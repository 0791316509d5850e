import type { Page } from 'playwright-core';
import { describeInBrowser, useBrowser } from '../../support/dashboard/chromium';
import { type Mounted, mount, routeOf } from '../../support/dashboard/mount';
import { findings, visit } from '../../support/dashboard/visit';
import { makeWorld, type World } from '../../support/dashboard/world';
import { useDatabase } from '../../support/database';
import { eventually } from '../../support/eventually';

describeInBrowser('actions on the page', () => {
  let world: World;
  let mounted: Mounted;
  let page: Page;
  let complaints: string[];
  let closeVisit: () => Promise<void>;

  // Before the hook of the database: a worker that has lost it would try for half a minute to say what became of its tasks.
  afterAll(async () => {
    await closeVisit?.();
    await mounted?.close();
    await world?.end();
  });

  const database = useDatabase('replicaSet');
  const chromium = useBrowser();

  beforeAll(async () => {
    world = await makeWorld(database.connection);
    const { Email, Report, Thumbnail, Cleanup } = world;
    mounted = await mount('/admin/queues', { models: [Email, Report, Thumbnail, Cleanup], hide: ['password'] });
    ({ page, complaints, close: closeVisit } = await visit(chromium.browser, '', mounted));
  });

  afterEach(() => expect(complaints.splice(0)).toEqual([]));

  const at = (route: string) => page.goto(`${mounted.origin}#/${route}`);
  const dialog = () => page.getByRole('dialog');
  const press = (name: string | RegExp) => page.getByRole('button', { name }).click();
  /** Presses the button in the dialog that has been opened. */
  const confirm = (name: string | RegExp) => dialog().getByRole('button', { name }).click();

  it('retry the tasks that were selected, after a question that counts them', async () => {
    await at('Email/tasks?state=FAILED');
    const boxes = page.getByRole('checkbox', { name: /^Select …?\w/ });
    await boxes.nth(1).check();
    await boxes.nth(2).check();
    await press('Retry');
    await dialog().getByText('Retry 2 tasks?').waitFor();
    expect(await findings(page)).toEqual([]);
    await dialog().getByLabel('Start after (seconds)').fill('3600');
    await confirm('Retry 2');
    await dialog().getByText('2 tasks queued again.').waitFor();
    await confirm('Done');
    await page.getByText('1 task', { exact: false }).first().waitFor();

    expect(await world.Email.countDocuments({ state: 'FAILED' })).toBe(1);
    expect((await world.Email.stats()).delayed).toBe(4);
  });

  it('leave all as it is when the question is answered by Escape', async () => {
    await at('Email/tasks?state=FAILED');
    await press(/^all 1 that match/);
    await press('Delete');
    await dialog().getByText('Delete 1 task?').waitFor();
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });

    expect(await world.Email.countDocuments({ state: 'FAILED' })).toBe(1);
  });

  it('can be carried out on tasks that could not be counted in time', async () => {
    await page.route('**/api/count', (route) => route.fulfill({ json: { matched: 0, more: true } }));
    await at('Email/tasks?state=FAILED');
    await page.reload();
    await press(/^all 1 that match/);
    await press('Delete');
    await dialog().getByText('Delete all matching tasks?').waitFor();
    await dialog().getByText('Counting them took too long: all that match are meant.').waitFor();

    expect(await dialog().getByRole('button', { name: 'Delete all matching' }).isEnabled()).toBe(true);
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    await page.unroute('**/api/count');
  });

  it('leave a selected task alone that has left the state in which it was shown', async () => {
    const failed = (await world.Email.findOne({ state: 'FAILED' }))!;
    await at('Email/tasks?state=FAILED');
    await page
      .getByRole('checkbox', { name: /^Select …?\w/ })
      .nth(1)
      .check();
    await press('Delete');
    await dialog().getByText('Delete 1 task?').waitFor();
    await world.Email.updateOne({ _id: failed._id }, { state: 'CANCELLED' });
    await confirm('Delete 1');
    await dialog().getByText('0 tasks deleted, 1 skipped').waitFor();
    await confirm('Done');

    expect(await world.Email.countDocuments({ _id: failed._id })).toBe(1);
    await world.Email.updateOne({ _id: failed._id }, { state: 'FAILED' });
  });

  it('cancel all that match a search, with a reason', async () => {
    await at('Email/tasks');
    await page.getByRole('searchbox').fill('to:ada@example.org amount:>=100');
    await page.keyboard.press('Enter');
    await press(/^all 9 that match/);
    await press('Cancel');
    await dialog().getByLabel('Reason (optional)').fill('sent twice');
    await confirm('Cancel 9');
    await dialog().getByText('9 tasks cancelled.').waitFor();
    await confirm('Done');
    await page.getByText('No task matches').waitFor();

    const all = await world.Email.find({ state: 'CANCELLED', to: 'ada@example.org' });
    expect(new Set(all.map(({ cancelled }) => cancelled?.reason))).toEqual(new Set(['sent twice']));
    expect(page.url()).toContain('q=to%3Aada');
  });

  it('requeue and delete what has ended', async () => {
    await at('Email/tasks?state=FINISHED&q=to:grace@example.org');
    await press(/^all 1 that match/);
    await press('Requeue');
    await confirm('Requeue 1');
    await dialog().getByText('1 task queued again.').waitFor();
    // The list behind it has heard of that by then, and shows nothing to act on.
    await page.getByText('No task matches').waitFor();
    await confirm('Done');
    await at('Email/tasks?state=CANCELLED');
    await press(/^all 10 that match/);
    await press('Delete');
    await confirm('Delete 10');
    await dialog().getByText('10 tasks deleted.').waitFor();
    await confirm('Done');

    expect(await world.Email.countDocuments({ state: 'CANCELLED' })).toBe(0);
    expect(await world.Email.countDocuments({ state: 'CREATED', to: 'grace@example.org', amount: 1 })).toBe(1);
  });

  it('make a delayed task due', async () => {
    const [later] = await world.Email.find({ to: 'later@example.org' });
    await at(routeOf('Email', later!._id));
    await press('Run now');
    await page.getByText(/^task .* made due/).waitFor();
    await page.getByText('ready', { exact: true }).waitFor();

    expect((await world.Email.stats()).delayed).toBe(3);
  });

  it('edit the fields of a task that does not run, as the schema allows', async () => {
    const [later] = await world.Email.find({ to: 'later@example.org' }).sort({ _id: -1 });
    await at(routeOf('Email', later!._id));
    await press('Edit');
    const text = dialog().getByLabel('Fields, as JSON');
    const before = await text.inputValue();
    expect(before).not.toMatch(/swordfish|hidden/);
    await text.fill('{');
    await confirm('Save');
    await dialog()
      .getByText(/^This is no JSON/)
      .waitFor();
    await text.fill(before.replace('"amount": 2', '"amount": -1'));
    await confirm('Save');
    await dialog()
      .getByRole('alert')
      .getByText(/amount/)
      .waitFor();
    complaints.length = 0; // the browser tells of the 400
    await text.fill(before.replace('"amount": 2', '"amount": 7'));
    await confirm('Save');
    await page.getByText('Saved amount.').waitFor();

    expect(await world.Email.findById(later!._id)).toMatchObject({ amount: 7, to: 'later@example.org' });
  });

  it('cancel a running task, which offers neither edit nor delete', async () => {
    const held = (await world.Email.findOne({ state: 'RUNNING', amount: 2 }))!;
    await at(routeOf('Email', held._id));
    await page.getByText('running', { exact: true }).waitFor();
    const names = await page.locator('.buttons button').allTextContents();
    await press('Cancel');
    await confirm('Cancel');
    await confirm('Done');

    expect(names).toEqual(['Cancel']);
    await eventually(async () =>
      expect(await world.Email.countDocuments({ _id: held._id, '_task.cancel': { $exists: true } })).toBe(1),
    );
  });

  it('pause a queue with a reason, and resume it', async () => {
    await at('');
    await press('Pause Email');
    await dialog().getByLabel('Reason (optional)').fill('a deploy');
    await confirm('Pause');
    await confirm('Done');
    await page
      .getByText(/a deploy/)
      .first()
      .waitFor();
    expect(await world.Email.paused()).toMatchObject([{ reason: 'a deploy' }]);
    await press('Resume Email');
    await page.getByRole('button', { name: 'Pause Email' }).waitFor();

    expect(await world.Email.paused()).toEqual([]);
  });

  it('show the next runs of a schedule, run it now, and end it', async () => {
    await at('schedules');
    const row = page.getByRole('row', { name: /nightly/ });
    await row.getByText('4 more').click();
    expect(await row.locator('ol li').count()).toBe(4);
    await row.getByRole('button', { name: 'Run now nightly' }).click();
    await page.getByText('nightly made due.').waitFor();
    expect(await world.Cleanup.countDocuments({ folder: '/tmp', '_task.dueAt': { $lte: new Date() } })).toBe(1);
    await row.getByRole('button', { name: 'End schedule nightly' }).click();
    await confirm('End schedule');
    await row.waitFor({ state: 'detached' });
    await confirm('Done');
    await page.getByRole('row', { name: /cache/ }).waitFor();
  });

  it('say what went wrong, in the place where it was asked for', async () => {
    await at('Email/tasks?q={"$where":"1"}');
    await page
      .getByRole('alert')
      .getByText(/\$where/)
      .waitFor();
    complaints.length = 0; // the browser tells of the 400
  });
});
