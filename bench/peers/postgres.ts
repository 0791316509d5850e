import type { Site } from './peer';

interface Pg {
  Client: new (url: string) => Client;
}
interface Client {
  connect(): Promise<void>;
  query(statement: string): Promise<unknown>;
  end(): Promise<void>;
}

/** What autovacuum does by and by: nothing is left of deleted rows, and there are statistics of those just inserted. */
export async function vacuum({ load, url }: Site): Promise<void> {
  const client = new (load<Pg>('pg').Client)(url);
  await client.connect();
  await client.query('VACUUM ANALYZE');
  await client.end();
}
