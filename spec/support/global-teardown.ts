import './global-setup';

export default async function stopServers(): Promise<void> {
  await Promise.all((globalThis.mongodsOfThisRun ?? []).map((mongod) => mongod.stop()));
}
