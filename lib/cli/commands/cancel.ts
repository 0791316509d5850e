import { cancelMany } from '../../cancel/cancel-many';
import { readStored } from '../../inspect/stored';
import { type BulkOptions, type Chosen, chooseTasks, inParts } from '../bulk';
import { type Command, type Context, refuseFound } from '../context';
import { count } from '../words';

export interface CancelCommandOptions extends BulkOptions {
  readonly reason?: string;
}

/** Ends tasks; those that run may still be finished for some seconds. */
export const cancelCommand: Command<CancelCommandOptions> = async (context, words, options) => {
  refuseFound(context, 'cancel');
  const chosen = await chooseTasks(context, 'cancel', words, options);
  const all: Cancelled[] = [];
  for (const one of chosen) all.push(await cancel(context, one, options.reason));
  context.out.answer(
    all.map(({ left, ...counts }) => ({ ...counts, ...(left !== null && { left }) })),
    () => all.map(shown).join('\n'),
  );

  return all.every(({ left }) => left === null) ? 0 : 1;
};

interface Cancelled {
  readonly model: string;
  readonly cancelled: number;
  readonly cancelling: number;
  /** Why a task that was named stays as it is. */
  readonly left: string | null;
}

async function cancel(context: Context, chosen: Chosen, reason: string | undefined): Promise<Cancelled> {
  const { model, areNamed, ids } = chosen;
  const parts = await inParts(context, 'cancel', chosen, (some) =>
    cancelMany(model, { _id: { $in: some } }, { reason }),
  );
  const cancelled = parts.reduce((sum, part) => sum + part.cancelled, 0);
  const cancelling = parts.reduce((sum, part) => sum + part.cancelling, 0);
  const isLeft = areNamed && cancelled + cancelling === 0;
  const left = isLeft
    ? `it is ${(await readStored(model, ids[0])).state}: only tasks that have not ended are cancelled`
    : null;

  return { model: model.modelName, cancelled, cancelling, left };
}

function shown({ model, cancelled, cancelling, left }: Cancelled): string {
  if (left !== null) return `${model}: nothing done, ${left}`;
  const running =
    cancelling > 0 ? `, ${count(cancelling)} that run may be finished until their leases end, which were cut` : '';

  return `${model}: ${count(cancelled, 'task')} cancelled${running}`;
}
