import { createConnection, Schema, type Connection } from 'mongoose';
import { announce } from '../../lib/notify/announce';
import { onArrival } from '../../lib/notify/arrivals';
import { useDatabase } from '../support/database';

describe('an arrival', () => {
  const database = useDatabase();
  const makeEmail = (connection: Connection) => connection.model('Email', new Schema({ to: String }));
  let Email: ReturnType<typeof makeEmail>;
  let stops: (() => void)[] = [];

  beforeAll(() => {
    Email = makeEmail(database.connection);
  });

  afterEach(() => {
    stops.forEach((stop) => stop());
    stops = [];
  });

  it('is told to all who listen, once for each announcement', () => {
    const [first, second] = [listen(Email), listen(Email)];

    announce(Email);
    announce(Email);

    expect(first.listener).toHaveBeenCalledTimes(2);
    expect(second.listener).toHaveBeenCalledTimes(2);
  });

  it('is not kept for who listens later', () => {
    announce(Email);
    const { listener } = listen(Email);

    expect(listener).not.toHaveBeenCalled();
  });

  it('is not told to who stopped, but to the others', () => {
    const [stopped, other] = [listen(Email), listen(Email)];

    stopped.stop();
    announce(Email);

    expect(stopped.listener).not.toHaveBeenCalled();
    expect(other.listener).toHaveBeenCalledTimes(1);
  });

  it('is told to who came after the last one stopped, even if that one stops again', () => {
    const first = listen(Email);
    first.stop();
    const second = listen(Email);

    first.stop();
    announce(Email);

    expect(second.listener).toHaveBeenCalledTimes(1);
  });

  it('may make a listener stop at once', () => {
    const listener = jest.fn(() => stop());
    const stop = onArrival(Email, listener);
    const other = listen(Email);

    announce(Email);
    announce(Email);

    expect(listener).toHaveBeenCalledTimes(1);
    expect(other.listener).toHaveBeenCalledTimes(2);
  });

  it('is told to all models of the collection, kinds included', () => {
    const Alias = database.connection.model('Alias', new Schema({}), Email.collection.name);
    const Kind = Email.discriminator('Kind', new Schema({}));
    const listeners = [Alias, Kind].map((model) => listen(model).listener);

    announce(Email);
    announce(Kind);

    for (const listener of listeners) expect(listener).toHaveBeenCalledTimes(2);
  });

  it('is not told to models of another collection or another database', () => {
    const Other = database.connection.model('Other', new Schema({}));
    const Elsewhere = makeEmail(database.connection.useDb('elsewhere'));
    const listeners = [Other, Elsewhere].map((model) => listen(model).listener);

    announce(Email);

    for (const listener of listeners) expect(listener).not.toHaveBeenCalled();
  });

  it('is told to models of the same database by another connection of the same client', () => {
    const Again = makeEmail(database.connection.useDb(database.connection.name));
    const { listener } = listen(Again);

    announce(Email);

    expect(listener).toHaveBeenCalledTimes(1);
  });

  it('is told to another client as well: it may lead to the same server', async () => {
    const connection = await createConnection(database.uri).asPromise();
    const { listener } = listen(makeEmail(connection));

    announce(Email);

    expect(listener).toHaveBeenCalledTimes(1);
    await connection.destroy();
  });

  function listen(model: Parameters<typeof onArrival>[0]): { listener: jest.Mock; stop: () => void } {
    const listener = jest.fn();
    const stop = onArrival(model, listener);
    stops.push(stop);

    return { listener, stop };
  }
});
