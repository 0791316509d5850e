import { createConnection, type Connection, type ConnectOptions } from 'mongoose';

const opened: Connection[] = [];

/** Another connection, which is closed at the end of the spec file, also when a test fails. */
export async function openConnection(uri: string, options?: ConnectOptions): Promise<Connection> {
  const connection = createConnection(uri, options);
  opened.push(connection);

  return connection.asPromise();
}

afterAll(() => Promise.all(opened.map((connection) => connection.destroy())));
