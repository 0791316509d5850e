import type { ClientSession, mongo } from 'mongoose';
import { wrongValue } from '../values/check';
import type { AnyModel } from './definition';

type Restore = () => void;

interface Pending {
  committed: (() => void)[];
  /** For each object that the transaction has touched, how to restore it. */
  undone: Map<object, Restore>;
  /** For each object that the transaction may touch, how to restore it as it was when the transaction began. */
  begun: Map<object, Restore>;
}

const pending = new WeakMap<ClientSession, Pending>();

/** The session an operation runs in: the one given, or that of `connection.transaction()` under `transactionAsyncLocalStorage`. */
export function sessionOf(
  model: AnyModel,
  options: { session?: ClientSession | null | undefined },
): ClientSession | null {
  if (Object.hasOwn(options, 'session')) return requireSession(options.session ?? null);

  const { transactionAsyncLocalStorage } = model.db.base as {
    transactionAsyncLocalStorage?: { getStore(): { session?: ClientSession } | undefined };
  };
  return transactionAsyncLocalStorage?.getStore()?.session ?? null;
}

/** Runs an effect once the session's transaction is committed, or at once outside a transaction. */
export function whenCommitted(session: ClientSession | null, effect: () => void): void {
  if (session?.inTransaction()) pendingOf(session).committed.push(effect);
  else effect();
}
function requireSession(session: ClientSession | null): ClientSession | null {
  if (session === null || typeof (session as { inTransaction?: unknown }).inTransaction === 'function') return session;
  throw wrongValue(
    'session',
    'a session, null or undefined',
    session,
    '`connection.transaction((session) => task.finish({ session }))`',
  );
}

/**
 * Runs the function that `remember` returns if the session's transaction is not committed: it is aborted, ended, or run again. What was
 * remembered when the transaction began counts, else the first call for a subject. Outside a transaction nothing happens.
 */
export function whenUndone(session: ClientSession | null, subject: object, remember: () => Restore): void {
  if (!session?.inTransaction()) return;

  const { undone, begun } = pendingOf(session);
  if (!undone.has(subject)) undone.set(subject, begun.get(subject) ?? remember());
}

/** Calls `remember` whenever a transaction begins, for all sessions that the client starts from now on. */
export function onTransaction(client: mongo.MongoClient, remember: () => Iterable<[object, Restore]>): void {
  const { startSession } = client;

  client.startSession = (options) => {
    const session = startSession.call(client, options) as unknown as ClientSession;
    // A session that the driver starts for a single operation has no transaction.
    if ((options as { explicit?: boolean } | undefined)?.explicit !== false) rememberAtBegin(session, remember);

    return session as unknown as mongo.ClientSession;
  };
}

function rememberAtBegin(session: ClientSession, remember: () => Iterable<[object, Restore]>): void {
  const effects = pendingOf(session);
  const { startTransaction } = session;

  session.startTransaction = (...args) => {
    startTransaction.apply(session, args);
    effects.begun = new Map(remember());
  };
}

function pendingOf(session: ClientSession): Pending {
  let effects = pending.get(session);
  if (!effects) {
    effects = { committed: [], undone: new Map(), begun: new Map() };
    pending.set(session, effects);
    watch(session, effects);
  }

  return effects;
}

// The driver has no event for the end of a transaction, so the three calls that end one are wrapped, on this session only.
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

function run(effects: Pending, outcome: 'committed' | 'undone'): void {
  const callbacks = [...effects[outcome].values()];
  Object.assign(effects, { committed: [], undone: new Map(), begun: new Map() });
  for (const callback of callbacks) callback();
}
