import { Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { Hub } from '../../lib/dashboard/hub';
import { monitoredConnection } from '../support/commands';
import { useDatabase } from '../support/database';
import { eventually } from '../support/eventually';

describe.each(['replicaSet', 'standalone'] as const)('the events of a dashboard on a %s', (kind) => {
  const database = useDatabase(kind);
  const make = () => ({
    Email: database.connection.model('Email', taskQueue(new Schema({}))),
    Report: database.connection.model('Report', taskQueue(new Schema({}))),
  });
  let models: ReturnType<typeof make>;

  beforeAll(async () => {
    models = make();
    await Promise.all([models.Email.ensureTaskIndexes(), models.Report.ensureTaskIndexes()]);
  });

  it('are of what the viewer may see', async () => {
    const hub = new Hub([models.Email, models.Report] as never);
    const seen = follow(hub, [models.Email]);
    const all = follow(hub, [models.Email, models.Report]);

    await eventually(async () => {
      await Promise.all([models.Email.push({}), models.Report.push({})]);
      expect(seen.text).toContain('data: {"models":["Email"]}');
      expect(all.text).toContain('Report');
    });
    expect(seen.text).not.toContain('Report');
    hub.close();
    await Promise.all([seen.ended, all.ended]);
    expect(hub.size).toBe(0);
  });

  it('are heard once for all viewers, and not at all while nobody looks', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Email = monitored.connection.model('Email', taskQueue(new Schema({})));
    const hub = new Hub([Email] as never);
    const viewers = Array.from({ length: 5 }, () => follow(hub, [Email]));
    await eventually(async () => {
      await models.Email.push({});
      for (const { text } of viewers) expect(text).toContain('Email');
    });
    const streams = monitored.sent('aggregate');
    const reads = monitored.all().filter(({ name }) => !['aggregate', 'getMore', 'killCursors'].includes(name));

    // A stream rests after a change, and is opened again: never two at once.
    expect(streams.length).toBeLessThanOrEqual(kind === 'standalone' ? 0 : 1 + viewers.length);
    expect(reads).toEqual([]);

    for (const { stop } of viewers) await stop();
    expect(hub.size).toBe(0);
    await eventually(() => expect(monitored.sent('killCursors').length).toBeLessThanOrEqual(streams.length));
    monitored.forget();
    await models.Email.push({});
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(monitored.all().filter(({ name }) => name === 'aggregate')).toEqual([]);
  });

  it('are heard once where a viewer comes back before it was known how to hear them', async () => {
    const monitored = await monitoredConnection(database.uri);
    const Email = monitored.connection.model('Email', taskQueue(new Schema({})));
    const hub = new Hub([Email] as never);
    for (let count = 0; count < 3; count++) await follow(hub, [Email]).stop();
    const last = follow(hub, [Email]);

    await eventually(async () => {
      await models.Email.push({});
      expect(last.text).toContain('Email');
    });
    await last.stop();
    hub.close();
    await eventually(() => {
      const open = monitored.sent('aggregate').length - monitored.sent('killCursors').length;
      expect(open).toBeLessThanOrEqual(0);
    });
  });

  it('are refused beyond a number of viewers, and after the end', async () => {
    const hub = new Hub([models.Email] as never);
    const viewers = Array.from({ length: 200 }, () => follow(hub, [models.Email]));

    expect(() => hub.join([models.Email] as never)).toThrow('look at this already');
    for (const { stop } of viewers) await stop();
    hub.close();
    expect(() => hub.join([models.Email] as never)).toThrow('closed');
  });

  it('are kept together for a viewer who does not read', async () => {
    const hub = new Hub([models.Email] as never);
    const stream = hub.join([models.Email] as never);
    for (let count = 0; count < 5; count++) await models.Email.push({});
    const reader = stream.getReader();
    const first = new TextDecoder().decode((await reader.read()).value);

    expect(first).toBe('retry: 3000\n\n');
    await reader.cancel();
    expect(hub.size).toBe(0);
  });
});

interface Followed {
  text: string;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

function follow(hub: Hub, models: readonly unknown[]): Followed {
  const reader = hub.join(models as never).getReader();
  const decoder = new TextDecoder();
  const followed: Followed = { text: '', ended: reading(), stop: () => reader.cancel() };
  return followed;

  async function reading(): Promise<void> {
    for (let part = await reader.read(); !part.done; part = await reader.read())
      followed.text += decoder.decode(part.value);
  }
}
