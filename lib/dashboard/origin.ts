import { Refusal } from './answer';

/**
 * Lets only the dashboard's own page write, and programs that are no browsers: a page of another site would write with the rights of who
 * looks at it.
 *
 * @throws {Refusal}
 */
export function requireSameOrigin(headers: Headers, allowed: readonly string[]): void {
  const origin = headers.get('origin');
  if (origin !== null && allowed.includes(origin)) return;
  const site = headers.get('sec-fetch-site');
  if (site === 'same-origin' || site === 'none') return;
  if (site === null && (origin === null || isOwn(origin, headers.get('host')))) return;

  throw new Refusal(
    403,
    'other-origin',
    `A page of ${origin ?? 'another origin'} may not write here. If it is the dashboard's own, behind a proxy, name it in \`allowedOrigins\`.`,
  );
}

/** Whether an origin has the name under which this server is asked. */
function isOwn(origin: string, host: string | null): boolean {
  return host !== null && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/** @throws {Refusal} for a body that a page of another site could send without being asked for permission. */
export function requireJson(headers: Headers): void {
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type === 'application/json') return;
  throw new Refusal(415, 'no-json', 'Expected a body of the type `application/json`.');
}
