import fc from '../support/property';
import { DependencyType, type DependencyPolicy } from 'mongoose-task-queue';
import type { Clause } from '../../lib/dependencies/clauses';
import { judge, type Awaited, type Judged, type Standing, type Verdict } from '../../lib/dependencies/verdict';

const { DIRECT, ALL_OF, ANY_OF } = DependencyType;
const STANDINGS: readonly Standing[] = ['met', 'unmet', 'failed', 'missing'];
const POLICIES: readonly DependencyPolicy[] = ['wait', 'fail', 'ignore'];

type Policies = Partial<Pick<Clause, 'onFailed' | 'onMissing'>>;

/** A clause whose references have ids from 0 in the order of their standings. */
function clauseOf(
  type: DependencyType,
  standings: readonly Standing[],
  policies: Policies = {},
  path = 'parts',
): Judged {
  const clause = { path, type, ref: 'Part', refPath: null, refNames: [], when: null };

  return {
    clause: { onFailed: 'wait', onMissing: 'wait', ...clause, ...policies },
    target: null,
    references: standings.map((standing, id) => ({ id, given: id, standing })),
  };
}

/** A verdict in short: its kind and the ids it is about. */
function short(verdict: Verdict): string {
  if (verdict.kind === 'ready') return 'ready';

  return `${verdict.kind}: ${idsOf(verdict).join(', ')}`;
}

function idsOf(verdict: Verdict): unknown[] {
  const about: readonly Awaited[] = verdict.kind === 'waits' ? verdict.on : verdict.kind === 'doomed' ? verdict.by : [];
  return about.map(({ id }) => id);
}

describe('a verdict', () => {
  it('without clauses is ready', () => {
    expect(judge([])).toEqual({ kind: 'ready' });
  });

  it.each([DIRECT, ALL_OF, ANY_OF])('on %s without references is ready', (type) => {
    expect(short(judge([clauseOf(type, [], { onFailed: 'fail', onMissing: 'fail' })]))).toBe('ready');
  });

  it.each([
    ['met', {}, 'ready'],
    ['unmet', {}, 'waits: 0'],
    ['unmet', { onFailed: 'fail', onMissing: 'fail' }, 'waits: 0'],
    ['unmet', { onFailed: 'ignore', onMissing: 'ignore' }, 'waits: 0'],
    ['failed', {}, 'waits: 0'],
    ['failed', { onFailed: 'fail' }, 'doomed: 0'],
    ['failed', { onFailed: 'ignore' }, 'ready'],
    ['failed', { onMissing: 'fail' }, 'waits: 0'],
    ['failed', { onMissing: 'ignore' }, 'waits: 0'],
    ['missing', {}, 'waits: 0'],
    ['missing', { onMissing: 'fail' }, 'doomed: 0'],
    ['missing', { onMissing: 'ignore' }, 'ready'],
    ['missing', { onFailed: 'fail' }, 'waits: 0'],
    ['missing', { onFailed: 'ignore' }, 'waits: 0'],
  ] as [Standing, Policies, string][])('on one document that is %s under %j: %s', (standing, policies, expected) => {
    for (const type of [DIRECT, ALL_OF, ANY_OF])
      expect(short(judge([clauseOf(type, [standing], policies)]))).toBe(expected);
  });

  it.each([
    [['met', 'met', 'met'], {}, 'ready'],
    [['met', 'unmet', 'met'], {}, 'waits: 1'],
    [['met', 'failed', 'met'], { onFailed: 'ignore' }, 'ready'],
    [['unmet', 'failed', 'met'], { onFailed: 'ignore' }, 'waits: 0'],
    [['unmet', 'failed', 'met'], { onFailed: 'fail' }, 'doomed: 1'],
    [['failed', 'missing', 'failed'], { onFailed: 'fail' }, 'doomed: 0, 2'],
    [['failed', 'missing', 'unmet'], { onFailed: 'fail', onMissing: 'fail' }, 'doomed: 0, 1'],
    [['missing', 'unmet', 'met'], { onMissing: 'ignore' }, 'waits: 1'],
    [['missing', 'unmet', 'met'], { onMissing: 'fail' }, 'doomed: 0'],
    [['missing', 'met', 'met'], {}, 'waits: 0'],
  ] as [Standing[], Policies, string][])('on all of %j under %j: %s', (standings, policies, expected) => {
    expect(short(judge([clauseOf(ALL_OF, standings, policies)]))).toBe(expected);
  });

  it.each([
    [['unmet', 'met'], {}, 'ready'],
    [['failed', 'met'], { onFailed: 'fail' }, 'ready'],
    [['missing', 'met'], { onMissing: 'fail' }, 'ready'],
    [['unmet', 'unmet'], {}, 'waits: 0, 1'],
    [['unmet', 'failed'], { onFailed: 'fail' }, 'waits: 0, 1'],
    [['failed', 'failed'], { onFailed: 'fail' }, 'doomed: 0, 1'],
    [['failed', 'missing'], { onFailed: 'fail' }, 'waits: 0, 1'],
    [['failed', 'missing'], { onFailed: 'fail', onMissing: 'fail' }, 'doomed: 0, 1'],
    [['failed', 'missing'], { onFailed: 'fail', onMissing: 'ignore' }, 'doomed: 0'],
    [['failed', 'unmet'], { onFailed: 'ignore' }, 'waits: 0, 1'],
    [['failed', 'missing'], { onFailed: 'ignore', onMissing: 'ignore' }, 'ready'],
    [['failed', 'failed'], {}, 'waits: 0, 1'],
  ] as [Standing[], Policies, string][])('on any of %j under %j: %s', (standings, policies, expected) => {
    expect(short(judge([clauseOf(ANY_OF, standings, policies)]))).toBe(expected);
  });

  it('on several clauses waits for the first that is not met', () => {
    const clauses = [
      clauseOf(DIRECT, ['met'], {}, 'a'),
      clauseOf(ANY_OF, ['unmet'], {}, 'b'),
      clauseOf(ALL_OF, ['unmet'], {}, 'c'),
    ];

    expect(judge(clauses)).toMatchObject({ kind: 'waits', clause: { path: 'b' } });
  });

  it('on several clauses is doomed when one of them is, although another waits', () => {
    const clauses = [clauseOf(DIRECT, ['unmet'], {}, 'a'), clauseOf(DIRECT, ['failed'], { onFailed: 'fail' }, 'b')];

    expect(judge(clauses)).toMatchObject({ kind: 'doomed', clause: { path: 'b' } });
  });

  it('waits for each document of ALL_OF with the same chance, but for a missing one only when no other is open', () => {
    const clause = clauseOf(ALL_OF, ['unmet', 'missing', 'failed', 'met', 'unmet']);
    const draws = [0, 0.2, 0.4, 0.6, 0.8, 0.999];

    expect(draws.map((draw) => short(judge([clause], () => draw)))).toEqual([
      'waits: 0',
      'waits: 0',
      'waits: 2',
      'waits: 2',
      'waits: 4',
      'waits: 4',
    ]);
  });

  describe('on clauses of any kind', () => {
    const judged = fc
      .record({
        type: fc.constantFrom(DIRECT, ALL_OF, ANY_OF),
        standings: fc.array(fc.constantFrom(...STANDINGS), { maxLength: 5 }),
        policies: fc.record({ onFailed: fc.constantFrom(...POLICIES), onMissing: fc.constantFrom(...POLICIES) }),
      })
      .map(({ type, standings, policies }) =>
        clauseOf(type, type === DIRECT ? standings.slice(0, 1) : standings, policies),
      );
    const clauses = fc.array(judged, { maxLength: 4 });
    const draw = fc.double({ min: 0, max: 0.999_999, noNaN: true });

    type Waits = Extract<Verdict, { kind: 'waits' }>;

    /** Checks each verdict to wait against the clause that it is about. */
    const ofWaits = (check: (verdict: Waits, of: ReturnType<typeof clauseOf>) => void) =>
      fc.property(clauses, draw, (all, random) => {
        const verdict = judge(all, () => random);
        if (verdict.kind === 'waits')
          check(
            verdict,
            all.find((one) => one.clause === verdict.clause)!,
          );
      });

    it('is ready when and only when each clause alone is', () => {
      fc.assert(
        fc.property(clauses, (all) => {
          expect(judge(all).kind === 'ready').toBe(all.every((one) => judge([one]).kind === 'ready'));
        }),
      );
    });

    it('is of the same kind in whatever order they come', () => {
      fc.assert(
        fc.property(
          clauses.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
          ([all, shuffled]) => {
            expect(judge(shuffled).kind).toBe(judge(all).kind);
          },
        ),
      );
    });

    it('waits for the success of documents of one clause that are not met: of all where any is enough, or else of one', () => {
      fc.assert(
        ofWaits((verdict, { references, clause }) => {
          const awaited = verdict.on.filter(({ only }) => only !== 'failure');
          expect(awaited.length).toBe(clause.type === ANY_OF ? references.length : 1);
          for (const { id, standing } of verdict.on) {
            expect(references).toContainEqual({ id, given: id, standing });
            expect(standing).not.toBe('met');
          }
        }),
      );
    });

    it('waits for a failure of all others that are there where the first of all decides, and else for none', () => {
      fc.assert(
        ofWaits((verdict, { references, clause }) => {
          const others = verdict.on.filter(({ only }) => only === 'failure');
          const open = references.filter(({ standing }) => standing === 'unmet' || standing === 'failed');
          const isDecisive = clause.type !== ANY_OF && clause.onFailed === 'fail';
          expect(others.length).toBe(isDecisive ? Math.max(0, open.length - 1) : 0);
        }),
        { numRuns: 500 },
      );
    });

    it('waits for the failure of one that has not failed where any is enough, since only the last of all decides', () => {
      fc.assert(
        ofWaits((verdict, { references, clause }) => {
          if (clause.type !== ANY_OF) return;
          const unmet = references.filter(({ standing }) => standing === 'unmet');
          const watched = verdict.on.filter(({ only }) => only !== 'success');
          expect(watched.length).toBe(Math.min(1, unmet.length));
          for (const one of watched) expect(unmet).toContain(one);
        }),
        { numRuns: 500 },
      );
    });

    it('is doomed only by documents whose policy says so', () => {
      fc.assert(
        fc.property(clauses, (all) => {
          const verdict = judge(all);
          if (verdict.kind !== 'doomed') return;

          const { onFailed, onMissing } = verdict.clause;
          expect(verdict.by.length).toBeGreaterThan(0);
          for (const { standing } of verdict.by) {
            expect(standing === 'failed' ? onFailed : standing === 'missing' ? onMissing : 'none').toBe('fail');
          }
        }),
      );
    });

    it('leaves out what is ignored as if it were not referred to', () => {
      const isIgnored = ({ clause }: Judged, { standing }: Awaited) =>
        (standing === 'failed' && clause.onFailed === 'ignore') ||
        (standing === 'missing' && clause.onMissing === 'ignore');

      fc.assert(
        fc.property(judged, (one) => {
          const without = { ...one, references: one.references.filter((reference) => !isIgnored(one, reference)) };
          expect(judge([one]).kind).toBe(judge([without]).kind);
        }),
      );
    });

    it('never gets worse when a document is met', () => {
      const rank = { doomed: 0, waits: 1, ready: 2 };

      fc.assert(
        fc.property(judged, fc.nat(), (one, at) => {
          const references = one.references.map((reference, index) =>
            index === at % one.references.length ? { ...reference, standing: 'met' as const } : reference,
          );
          expect(rank[judge([{ ...one, references }]).kind]).toBeGreaterThanOrEqual(rank[judge([one]).kind]);
        }),
      );
    });
  });
});
