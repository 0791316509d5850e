import { Tallies } from '../../lib/side/tally';

const minute = (at: string, model = 'Mail') => ({ model, now: new Date(`2030-01-01T${at}Z`), keptSeconds: 60 });

const incrementsOf = (tallies: Tallies) =>
  tallies
    .statements()
    .map((statement) => (statement as { updateOne: { update: { $inc: object } } }).updateOne.update.$inc);

describe('the tallies of a worker', () => {
  it('add up by minute and model', () => {
    const tallies = new Tallies();
    tallies.add(minute('10:00:01'), 'finished', 10, 1);
    tallies.add(minute('10:00:59'), 'finished', 10, 100);
    tallies.add(minute('10:00:59'), 'failed', null, null);
    tallies.add(minute('10:01:00'), 'retried', 0, 0);
    tallies.add(minute('10:01:00', 'Fax'), 'cancelled', 0, 0);

    expect(tallies.statements()).toHaveLength(3);
    expect(tallies.statements()[0]).toEqual({
      updateOne: {
        filter: { _id: { at: new Date('2030-01-01T10:00:00Z'), model: 'Mail' } },
        update: {
          $inc: { finished: 2, failed: 1, 'wait.25': 2, 'run.0': 1, 'run.49': 1 },
          $max: { expiresAt: new Date('2030-01-01T10:01:00Z') },
        },
        upsert: true,
      },
    });
  });

  it('leave out what has no outcome yet', () => {
    const tallies = new Tallies();
    for (const name of ['released', 'lost', 'started']) tallies.add(minute('10:00:00'), name, 1, 1);

    expect(tallies.isEmpty).toBe(true);
  });

  it('that could not be written are added to what came meanwhile', () => {
    const tallies = new Tallies();
    tallies.add(minute('10:00:00'), 'finished', 1, 1);
    const taken = tallies.take();
    expect(tallies.isEmpty).toBe(true);
    tallies.add(minute('10:00:00'), 'finished', 1, null);
    tallies.putBack(taken);

    expect(incrementsOf(tallies)).toEqual([{ finished: 2, 'wait.0': 2, 'run.0': 1 }]);
  });

  it('are dropped when they could not be written for minutes', () => {
    const tallies = new Tallies();
    tallies.add(minute('10:00:00'), 'finished', 1, 1);
    const taken = tallies.take();
    tallies.add(minute('10:03:00'), 'failed', null, null);
    tallies.putBack(taken);

    expect(incrementsOf(tallies)).toEqual([{ failed: 1 }]);
  });
});
