import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { answer, Refusal } from './answer';

/** Beside this file once it is compiled; when it runs from its source, what was built. */
const FOLDER = resolve(__dirname, extname(__filename) === '.ts' ? '../../dist/dashboard/page' : 'page');

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** Nothing but the page's own files runs, is shown or is asked. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'self'",
].join('; ');

type Encoding = 'identity' | 'gzip' | 'br';

interface Asset {
  readonly type: string;
  readonly bytes: Readonly<Record<Encoding, Buffer>>;
}

/** The built page, read once and kept in memory. */
interface Built {
  readonly html: string;
  readonly assets: ReadonlyMap<string, Asset>;
}

let built: Built | null = null;

/** The page. It is never stored, because it names the files of this version. */
export function pageAnswer(): Response {
  return answer(builtPage().html, 200, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': POLICY,
  });
}

/** One of the page's files, whose name is another one whenever its content is. */
export function assetAnswer(name: string, accepted: string | null): Response {
  const asset = builtPage().assets.get(name);
  if (!asset)
    throw new Refusal(404, 'no-such-file', 'There is no such file. Load the page again: it may be of another version.');
  const encoding = encodingFor(accepted);

  return answer(new Uint8Array(asset.bytes[encoding]), 200, {
    'content-type': asset.type,
    'cache-control': 'public, max-age=31536000, immutable',
    vary: 'accept-encoding',
    ...(encoding !== 'identity' && { 'content-encoding': encoding }),
  });
}

/** The page as it was read at first. @throws {Refusal} where it was not built. */
export function builtPage(folder = FOLDER): Built {
  built ??= readPage(folder);

  return built;
}

/** Reads a page. @throws {Refusal} where it was not built. */
export function readPage(folder: string): Built {
  try {
    const names = readdirSync(folder).filter((name) => TYPES[extname(name)]);
    const html = readFileSync(join(folder, 'index.html'), 'utf8');

    return { html, assets: new Map(names.map((name) => [name, assetIn(folder, name)])) };
  } catch (cause) {
    const message = `The page of the dashboard is not in ${folder}. In a copy of the source, build it by \`npm run build\`.`;
    throw Object.assign(new Refusal(500, 'not-built', message), { cause });
  }
}

function assetIn(folder: string, name: string): Asset {
  const identity = readFileSync(join(folder, name));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: identity.length };

  return {
    type: TYPES[extname(name)]!,
    bytes: { identity, gzip: gzipSync(identity, { level: 9 }), br: brotliCompressSync(identity, { params }) },
  };
}

function encodingFor(accepted: string | null): Encoding {
  const names = (accepted ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !/;\s*q=0(\.0*)?$/.test(one))
    .map((one) => one.split(';')[0]!.trim().toLowerCase());
  if (names.includes('br')) return 'br';

  return names.includes('gzip') ? 'gzip' : 'identity';
}
