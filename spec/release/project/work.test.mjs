// By Jest and by Vitest, both with `globals`.
import { work } from './work.mjs';

test('a task is done', async () => {
  expect(await work(process.env.MONGODB_URI)).toBe('ada@example.org FINISHED');
});
