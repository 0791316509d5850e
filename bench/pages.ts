import { type BrowserContext, chromium } from 'playwright-core';
import { chromiumPath } from '../spec/support/dashboard/chromium-path';
import { serveBoard } from './board';
import type { Comparison, Contender } from './harness';
import type { Setting } from './setting';
import { insertCopies, layouts, nativeOf, recreate, taskModel, type Task } from './tasks';

const FINISHED = 1_000_000;
const FEW = 100;
const VISITS = 20;

const ROWS = 'main tbody tr';

/** Where each view is, and what it shows once all that it asks for has been answered. */
const VIEWS: Readonly<Record<string, readonly [route: string, shown: string]>> = {
  'the overview': ['', ROWS],
  'failed tasks': ['Task/tasks?state=FAILED', ROWS],
  'finished tasks': ['Task/tasks?state=FINISHED', ROWS],
  'waiting tasks': ['Task/tasks?state=CREATED', ROWS],
  'a search without an index': ['Task/tasks?q=size:<9', 'main >> text=/^No index has|^The database was stopped/'],
  schedules: ['schedules', 'main >> text=/Nothing recurs/'],
  history: ['history', 'main >> text=/Workers did nothing/'],
};

/** How long a view of the dashboard takes in a browser that has been there before, beside many tasks. */
export async function pages({ connection, tasks: finishedCount = FINISHED }: Setting): Promise<Comparison[]> {
  const few = taskModel(connection.useDb(`${connection.name}_few`));
  const many = taskModel(connection);
  await fill(few, FEW);
  await fill(many, finishedCount);
  const boards = { few: await serveBoard(few), many: await serveBoard(many) };
  const browser = await chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] });
  const context = await browser.newContext();
  const views = Object.entries(VIEWS);

  return views.map(([title, [route, shown]], index) => ({
    title,
    operations: VISITS,
    turns: 1,
    metric: 'p50Ms',
    baseline: visiting(`${FEW} tasks`, context, `${boards.few.origin}/#/${route}`, shown),
    contenders: [visiting('finished ones', context, `${boards.many.origin}/#/${route}`, shown)],
    close: async () => {
      if (index < views.length - 1) return;
      await browser.close();
      await Promise.all([boards.few.close(), boards.many.close()]);
      await few.db.dropDatabase();
    },
  }));
}

/** Finished tasks, a twentieth of them failed ones beside, and a tenth that waits. */
async function fill(model: Task, finishedCount: number): Promise<void> {
  const { delayed, finished } = await layouts(model);
  await recreate(model);
  await insertCopies(nativeOf(model), finished, finishedCount);
  await insertCopies(nativeOf(model), { ...finished, state: 'FAILED' }, finishedCount / 20);
  await insertCopies(nativeOf(model), delayed, finishedCount / 10);
}

function visiting(name: string, context: BrowserContext, address: string, shown: string): Contender {
  return {
    name,
    prepare: async () => {},
    run: async (count) => {
      const durations: number[] = [];
      for (let visit = 0; visit < count; visit++) {
        const startedAt = performance.now();
        const page = await context.newPage();
        await page.goto(address);
        await page.locator(shown).first().waitFor();
        durations.push(performance.now() - startedAt);
        await page.close();
      }
      return durations;
    },
  };
}
