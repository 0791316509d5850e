import { Forgery, LEASE_MS } from './forgery';

const forge = () => new Forgery();

/** A hold of the task `t`. */
const hold = (fence: number, by = 'one') => ['t', fence, by] as const;

// Each history is forged: the first of each pair is bad, what follows looks like it and is as it should be.
describe('the checker of histories', () => {
  it('finds nothing where all went well', () => {
    const history = forge()
      .pushes('t')
      .claims(hold(1), 10)
      .ends(hold(1), 20)
      .stores('t')
      .pushes('f', { ends: 'FAILED' })
      .claims(['f', 1, 'two'], 10)
      .ends(['f', 1, 'two'], 20, 'failed')
      .stores('f', { state: 'FAILED' });

    expect(history.found).toEqual({});
  });

  describe('of lost tasks', () => {
    it('finds one that was acknowledged and is nowhere', () => {
      expect(forge().pushes('t').found).toEqual({ lost: 1 });
    });

    it('does not miss one that was not acknowledged', () => {
      expect(forge().pushes('t', {}, false).found).toEqual({});
    });

    it('does not miss one that has expired', () => {
      const history = forge().pushes('t');
      history.expiredBefore = 2;

      expect(history.found).toEqual({});
    });
  });

  describe('of ends', () => {
    it('finds one that was accepted and has not lasted', () => {
      const history = forge().pushes('t').claims(hold(1), 10).ends(hold(1), 20);

      expect(history.stores('t', { state: 'RUNNING', fence: 2 }).found).toEqual({ undone: 1 });
    });

    it('finds one without what was saved with it', () => {
      const history = forge().pushes('t').claims(hold(1), 10).ends(hold(1), 20);

      expect(history.stores('t', { isChanged: true, doneBy: null }).found).toEqual({ undone: 1 });
    });

    it('finds a task that failed although it was meant to finish', () => {
      expect(forge().pushes('t').stores('t', { state: 'FAILED' }).found).toEqual({ 'wrong end': 1 });
    });

    it('finds two outcomes of one fence that were both accepted', () => {
      const history = forge()
        .pushes('t')
        .claims(hold(1), 10)
        .ends(hold(1), 20, 'retried')
        .tell({ at: 30, by: 'one', name: 'settled', task: 't', fence: 1, outcome: 'released' });

      expect(history.stores('t', { state: 'CREATED' }).found).toEqual({ 'settled twice': 1 });
    });

    it('takes a worker that tells what its handler did for one outcome', () => {
      const history = forge()
        .pushes('t')
        .claims(hold(1), 10)
        .ends(hold(1), 20, 'retried')
        .tell({ at: 30, by: 'one', name: 'settled', task: 't', fence: 1, outcome: 'retried' });

      expect(history.stores('t', { state: 'CREATED' }).found).toEqual({});
    });

    it('finds a task that two fences have ended', () => {
      const history = forge()
        .pushes('t')
        .claims(hold(1), 10)
        .ends(hold(1), 20)
        .claims(hold(2), 9_000)
        .ends(hold(2), 9_010)
        .stores('t', { fence: 2 });

      expect(history.found).toEqual({ 'settled twice': 1, undone: 1 });
    });

    it('lets a task that recurs end again and again', () => {
      const history = forge()
        .pushes('t', { recurs: true })
        .claims(hold(1), 10)
        .ends(hold(1), 20)
        .claims(hold(2), 1_010)
        .ends(hold(2), 1_020)
        .stores('t', { state: 'CREATED', fence: 2 });

      expect(history.found).toEqual({});
    });

    it('finds what two transactions did for one task', () => {
      const history = forge().pushes('t').claims(hold(1), 10).ends(hold(1), 20).stores('t');

      expect(history.affects('t', 1).found).toEqual({});
      expect(history.affects('t', 1).found).toEqual({ 'settled twice': 1 });
    });
  });

  describe('of holds', () => {
    it('finds a claim of what somebody else holds', () => {
      const history = forge().pushes('t').claims(hold(1, 'one'), 10).claims(hold(2, 'two'), LEASE_MS);

      expect(history.stores('t', { fence: 2 }).found).toEqual({ 'doubly held': 1 });
    });

    it('lets a lease that has ended be taken over', () => {
      const history = forge()
        .pushes('t')
        .claims(hold(1, 'one'), 10)
        .claims(hold(2, 'two'), LEASE_MS + 10);

      expect(history.stores('t', { fence: 2 }).found).toEqual({});
    });

    it('finds a claim of what was renewed', () => {
      const history = forge()
        .pushes('t')
        .claims(hold(1, 'one'), 10)
        .renews(hold(1, 'one'), 1_000)
        .claims(hold(2, 'two'), LEASE_MS + 10);

      expect(history.stores('t', { fence: 2 }).found).toEqual({ 'doubly held': 1 });
    });

    it('finds it also behind others that came between', () => {
      const history = forge()
        .pushes('t')
        .claims(hold(1, 'one'), 0, 60_000)
        .claims(hold(2, 'two'), 100, 200)
        .claims(hold(3, 'three'), 300)
        .stores('t', { fence: 3 });

      expect(history.found).toEqual({ 'doubly held': 2 });
    });

    it('lets what was given back be claimed', () => {
      const history = forge()
        .pushes('t')
        .claims(hold(1, 'one'), 10)
        .ends(hold(1, 'one'), 500, 'released')
        .claims(hold(2, 'two'), 510);

      expect(history.stores('t', { fence: 2 }).found).toEqual({});
    });

    it('lets what was asked to be given back be claimed, whether its holder lived to be told or not', () => {
      const history = forge()
        .pushes('t')
        .claims(hold(1, 'one'), 10)
        .ends(hold(1, 'one'), 500, 'released', null)
        .claims(hold(2, 'two'), 510);

      expect(history.stores('t', { fence: 2 }).found).toEqual({});
    });

    it('lets what a worker held that was stopped be claimed', () => {
      const history = forge()
        .pushes('t')
        .claims(hold(1, 'one'), 10)
        .tell({ at: 500, by: 'one', name: 'stopping', limitMs: 0 }, { at: 501, by: 'one', name: 'stopped', lagMs: 0 })
        .claims(hold(2, 'two'), 510);

      expect(history.stores('t', { fence: 2 }).found).toEqual({});
    });

    it('finds a fence that was handed out twice, by leases that do not overlap as well', () => {
      const history = forge().pushes('t').claims(hold(1, 'one'), 10).claims(hold(1, 'two'), 9_000);

      expect(history.stores('t').found).toEqual({ 'same fence': 1 });
    });

    it('finds one that was handed to the same holder twice', () => {
      const history = forge().pushes('t').claims(hold(1), 10).claims(hold(1), 9_000);

      expect(history.stores('t').found).toEqual({ 'same fence': 1 });
    });
  });

  describe('of what came too early', () => {
    it('finds a task before its delay is over', () => {
      const history = forge().pushes('t', { delayMs: 1_000 }).claims(hold(1), 900);

      expect(history.stores('t').found).toEqual({ early: 1 });
    });

    it('finds a retry before its delay is over', () => {
      const history = forge()
        .pushes('t')
        .claims(hold(1), 10)
        .ends(hold(1), 20, 'retried', 'retried', 1_000)
        .claims(hold(2), 900);

      expect(history.stores('t', { fence: 2 }).found).toEqual({ early: 1 });
    });

    it('lets both come when they are due', () => {
      const history = forge()
        .pushes('t', { delayMs: 1_000 })
        .claims(hold(1), 1_000)
        .ends(hold(1), 1_020, 'retried', 'retried', 1_000)
        .claims(hold(2), 2_020);

      expect(history.stores('t', { fence: 2 }).found).toEqual({});
    });

    const needing = (needs: object) => forge().pushes('t', { needs }).stores('t').stores('a').stores('b');

    it('finds a task before one of those it waits for was done', () => {
      const history = needing({ all: ['a', 'b'] })
        .claims(['a', 1, 'one'], 10)
        .ends(['a', 1, 'one'], 20)
        .claims(['b', 1, 'one'], 10)
        .claims(hold(1), 500)
        .ends(['b', 1, 'one'], 600);

      expect(history.found).toEqual({ early: 1 });
    });

    it('finds a task whose dependency is handed out again: its end was rolled back', () => {
      const history = needing({ all: ['a'] })
        .claims(['a', 1, 'one'], 10)
        .ends(['a', 1, 'one'], 20, 'finished', null)
        .claims(hold(1), 500)
        .claims(['a', 2, 'two'], 5_000)
        .stores('a', { fence: 2 });

      expect(history.found).toEqual({ early: 1 });
    });

    it('lets it come when all are done, though nobody lived to be told', () => {
      const history = needing({ all: ['a'] })
        .claims(['a', 1, 'one'], 10)
        .ends(['a', 1, 'one'], 20, 'finished', null)
        .claims(hold(1), 500);

      expect(history.found).toEqual({});
    });

    it('finds a task none of whose alternatives is done, and no other', () => {
      const ended = needing({ any: ['a', 'b'] })
        .claims(['a', 1, 'one'], 10)
        .ends(['a', 1, 'one'], 20)
        .claims(hold(1), 500);
      const open = needing({ any: ['a', 'b'] }).claims(hold(1), 500);

      expect(ended.found).toEqual({});
      expect(open.found).toEqual({ early: 2 });
    });

    it('finds a task that waits for a failure and comes after a success', () => {
      const history = needing({ broken: ['a'] })
        .claims(['a', 1, 'one'], 10)
        .ends(['a', 1, 'one'], 20)
        .claims(hold(1), 500);

      expect(history.found).toEqual({ early: 1 });
    });
  });

  it('finds what healthy workers have left, each task once', () => {
    const left = { by: 'soak', name: 'left', task: 't', text: 'CREATED' } as const;
    const history = forge().pushes('t').stores('t', { state: 'CREATED' });

    expect(history.tell({ at: 10, ...left }, { at: 90, ...left }).found).toEqual({ stuck: 1 });
  });

  describe('of attempts that were charged', () => {
    const claimed = () => forge().starts('one', 'aaa').pushes('t').shows('t', 1, 1, 'aaa', 10_000);

    it('finds one that was handed to nobody', () => {
      expect(claimed().shows('t', 2, 2, 'bbb', 20_000).stores('t', { fence: 3 }).found).toEqual({ charged: 1 });
      expect(claimed().stores('t').found).toEqual({ charged: 1 });
    });

    it('lets be what was given back', () => {
      expect(claimed().shows('t', 2, 1, 'bbb', 20_000).stores('t', { fence: 3 }).found).toEqual({});
      expect(claimed().stores('t', { attempts: 0 }).found).toEqual({});
    });

    it('lets be what its holder told of', () => {
      const history = claimed().claims(['t', 1, 'one/worker'], 10_000).ends(['t', 1, 'one/worker'], 10_010);

      expect(history.stores('t').found).toEqual({});
    });

    it('lets be what a process had claimed that was killed then, and only then', () => {
      const killed = (at: number) => claimed().tell({ at, by: 'soak', name: 'killed', process: 'one' }).stores('t');

      expect(killed(10_500).found).toEqual({});
      expect(killed(60_000).found).toEqual({ charged: 1 });
    });

    it('lets be what was claimed when answers were lost, not when they were late', () => {
      const during = (losesAnswers: boolean) => {
        const fault = { name: 'fault', fault: 'any', until: 11_000, losesAnswers } as const;
        return claimed()
          .tell({ at: 9_000, by: 'soak', ...fault })
          .stores('t').found;
      };

      expect(during(true)).toEqual({});
      expect(during(false)).toEqual({ charged: 1 });
    });

    it('finds one whose handler had finished', () => {
      const history = forge().pushes('t').claims(hold(1), 10).ends(hold(1), 20, 'finished', 'retried');

      expect(history.stores('t', { state: 'CREATED' }).found).toEqual({ charged: 1 });
    });
  });

  describe('of what hangs', () => {
    const quiet = { at: 1_000, by: 'soak', name: 'quiet', until: 9_000 } as const;
    const started = () => forge().starts('one', 'aaa', ['one/queue', 'one/worker']).tell(quiet);
    const looks = (by: string, at: number) => ({ at, by, name: 'looked' }) as const;

    it('finds a part that does not look for tasks while another of its process does', () => {
      const history = started().tell(looks('one/worker', 900), looks('one/queue', 2_000));

      expect(history.found).toEqual({ hung: 1 });
    });

    it('lets be what looks, and who is not there any more', () => {
      const isThere = started().tell(looks('one/worker', 2_000), looks('one/queue', 2_000));
      const isGone = started().tell({ at: 2_000, by: 'soak', name: 'gone', process: 'one', isKilled: true, text: '' });

      expect(isThere.found).toEqual({});
      expect(isGone.found).toEqual({});
    });

    const stop = (tookMs: number, lagMs = 0) =>
      forge().tell(
        { at: 100, by: 'one/stops', name: 'stopping', limitMs: 10 },
        { at: 100 + tookMs, by: 'one/stops', name: 'stopped', lagMs },
      );

    it('finds a stop that takes over a second longer than its limit', () => {
      expect(stop(1_011).found).toEqual({ hung: 1 });
      expect(stop(1_010).found).toEqual({});
    });

    it('finds one that never ended', () => {
      const history = forge()
        .tell({ at: 100, by: 'one/stops', name: 'stopping', limitMs: 10 })
        .tell({ at: 9_000, by: 'one', name: 'ended' });

      expect(history.found).toEqual({ hung: 1 });
    });

    it('does not count how long a process was frozen before it was killed', () => {
      const history = forge()
        .tell({ at: 100, by: 'one/stops', name: 'stopping', limitMs: 10 })
        .tell({ at: 200, by: 'one/worker', name: 'looked' })
        .tell({ at: 9_000, by: 'soak', name: 'gone', process: 'one', isKilled: true, text: 'SIGKILL' });

      expect(history.found).toEqual({});
    });

    it('finds one of a process that was alive when it was killed', () => {
      const history = forge()
        .tell({ at: 100, by: 'one/stops', name: 'stopping', limitMs: 10 })
        .tell({ at: 8_000, by: 'one/worker', name: 'looked' })
        .tell({ at: 9_000, by: 'soak', name: 'gone', process: 'one', isKilled: true, text: 'SIGKILL' });

      expect(history.found).toEqual({ hung: 1 });
    });

    it('takes off what the machine did not give the process', () => {
      expect(stop(3_000, 2_000).found).toEqual({});
    });
  });

  it('finds a process that ended by itself, not one that was killed', () => {
    const gone = (isKilled: boolean) =>
      forge().tell({ at: 9, by: 'soak', name: 'gone', process: 'one', isKilled, text: '1 Error: …' }).found;

    expect(gone(false)).toEqual({ crashed: 1 });
    expect(gone(true)).toEqual({});
  });
});
