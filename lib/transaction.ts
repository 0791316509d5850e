import type { ClientSession } from 'mongoose';
import type { AnyModel } from './definition';

interface Pending {
  committed: (() => void)[];
  undone: (() => void)[];
}

const pending = new WeakMap<ClientSession, Pending>();

/** The session an operation runs in: the one given, or that of `connection.transaction()` under `transactionAsyncLocalStorage`. */
export function sessionOf(
  model: AnyModel,
  options: { session?: ClientSession | null | undefined },
): ClientSession | null {
  if (Object.hasOwn(options, 'session')) return options.session ?? null;

  const { transactionAsyncLocalStorage } = model.db.base as {
    transactionAsyncLocalStorage?: { getStore(): { session?: ClientSession } | undefined };
  };
  return transactionAsyncLocalStorage?.getStore()?.session ?? null;
}

/**
 * Runs `committed` once the session's transaction is committed, or `undone` if it is not: aborted, ended, or run again. Outside
 * a transaction `committed` runs at once.
 */
export function whenSettled(session: ClientSession | null, committed: () => void, undone: () => void): void {
  if (!session?.inTransaction()) {
    committed();
    return;
  }

  let effects = pending.get(session);
  if (!effects) {
    effects = { committed: [], undone: [] };
    pending.set(session, effects);
    watch(session, effects);
  }
  effects.committed.push(committed);
  effects.undone.push(undone);
}

// The driver tells nobody how a transaction ended, so the three calls that end one are wrapped, on this session only.
function watch(session: ClientSession, effects: Pending): void {
  const { commitTransaction, abortTransaction, startTransaction } = session;

  session.commitTransaction = async (...args) => {
    await commitTransaction.apply(session, args);
    run(effects, 'committed');
  };
  session.abortTransaction = async (...args) => {
    try {
      await abortTransaction.apply(session, args);
    } finally {
      run(effects, 'undone');
    }
  };
  session.startTransaction = (...args) => {
    run(effects, 'undone');
    startTransaction.apply(session, args);
  };
  session.once('ended', () => run(effects, 'undone'));
}

// Undoing goes backwards, so that the oldest memory of a document is the one that stays.
function run(effects: Pending, outcome: keyof Pending): void {
  const callbacks = outcome === 'committed' ? effects.committed : effects.undone.toReversed();
  effects.committed = [];
  effects.undone = [];
  for (const callback of callbacks) callback();
}
