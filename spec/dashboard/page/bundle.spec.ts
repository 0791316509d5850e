import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const ROOT = resolve(__dirname, '../../..');
const KILOBYTE = 1_024;

describe("the page's bundle", () => {
  let folder: string;
  let files: Map<string, Buffer>;
  let html: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'page-'));
    await promisify(execFile)('node', [join(ROOT, 'lib/dashboard/page/build.mjs'), folder]);
    const names = await readdir(folder);
    files = new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)));
    html = files.get('index.html')!.toString();
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const sizeOf = (names: readonly string[], compress: (file: Buffer) => Buffer) =>
    names.reduce((sum, name) => sum + compress(files.get(name)!).length, 0) / KILOBYTE;
  const assets = () => (JSON.parse(files.get('manifest.json')!.toString()) as { assets: string[] }).assets;

  it('is small over the wire, as a whole and at first', () => {
    // The chunks are what the first script and the others have in common.
    const first = assets().filter((name) => html.includes(name) || name.startsWith('chunk-'));

    expect(sizeOf(assets(), gzipSync)).toBeLessThan(90);
    expect(sizeOf(assets(), brotliCompressSync)).toBeLessThan(80);
    expect(sizeOf(first, gzipSync)).toBeLessThan(40);
  });

  it('has a manifest of all its assets, each with a hash in its name', () => {
    const others = ['index.html', 'manifest.json', 'THIRD-PARTY-NOTICES'];

    expect([...files.keys()].filter((name) => !others.includes(name)).toSorted()).toEqual(assets());
    expect(assets().filter((name) => !/^[\w-]+-[A-Z0-9]{8}\.(?:js|css|svg)$/.test(name))).toEqual([]);
  });

  it('has HTML without scripts, styles or addresses that a path or a strict policy would break', () => {
    const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address!);

    expect(html).not.toMatch(/<style|style=|\bon\w+=|<script>/);
    expect(addresses).toHaveLength(4);
    expect(addresses.filter((address) => !assets().includes(address.replace('assets/', '')))).toEqual([]);
  });

  it('names what it contains of others, with their licences', () => {
    const notices = files.get('THIRD-PARTY-NOTICES')!.toString();

    for (const name of ['preact', 'uplot', '@dagrejs/dagre', '@dagrejs/graphlib'])
      expect(notices).toMatch(new RegExp(`\\n${name} [\\d.]+ \\(MIT\\)\\n\\n[^]*?Permission is hereby granted`));
  });
});
