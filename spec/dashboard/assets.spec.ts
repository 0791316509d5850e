import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Refusal } from '../../lib/dashboard/answer';
import { assetAnswer, readPage } from '../../lib/dashboard/assets';
import { useSmallPage } from '../support/board-page';

useSmallPage();

describe("the page's files", () => {
  it.each([
    [null, null],
    ['identity', null],
    ['gzip', 'gzip'],
    ['gzip, deflate, br, zstd', 'br'],
    ['GZIP;q=0.5', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['br;q=0.0, gzip;q=0', null],
  ])('are sent as the client takes them: %s', async (accepted, encoding) => {
    const answer = assetAnswer('page-1.js', accepted);
    const bytes = Buffer.from(await answer.arrayBuffer());
    const read = { br: brotliDecompressSync, gzip: gunzipSync, none: (all: Buffer) => all }[encoding ?? 'none']!;

    expect(answer.headers.get('content-encoding')).toBe(encoding);
    expect(answer.headers.get('vary')).toBe('accept-encoding');
    expect(read(bytes).toString()).toContain('a page a page');
  });

  it('are those alone that were built', () => {
    for (const name of ['page-2.js', 'index.html', '../page-1.js', 'constructor'])
      expect(() => assetAnswer(name, null)).toThrow(Refusal);
  });

  it('have to be built', () => {
    expect(() => readPage('/nowhere')).toThrow('npm run build');
  });
});
