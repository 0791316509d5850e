import { pause, paused, type PauseOptions, resume } from '../side/pause';
import { type Command, onlyModel, refuseFound } from './context';

/** Lets no task of a queue be claimed, in any process. */
export const pauseCommand: Command<PauseOptions> = async (context, _, { category, reason }) => {
  refuseFound(context, 'pause');
  const model = onlyModel(context, 'pause');
  await pause(model, { category, reason });

  return tell(context, model, category, `${named(model, category)} is paused. \`resume\` lets it go on.`);
};

/** Ends a pause. */
export const resumeCommand: Command<Pick<PauseOptions, 'category'>> = async (context, _, { category }) => {
  refuseFound(context, 'resume');
  const model = onlyModel(context, 'resume');
  await resume(model, { category });

  return tell(context, model, category, `${named(model, category)} goes on.`);
};

type Model = ReturnType<typeof onlyModel>;

/** Says what was done, and what else is paused. */
async function tell(
  { out }: Parameters<Command>[0],
  model: Model,
  category: string | undefined,
  text: string,
): Promise<number> {
  const pauses = await paused(model);
  const others = pauses
    .filter((one) => one.category !== (category ?? null))
    .map((one) => `${one.category ?? 'the whole queue'}${one.reason === null ? '' : ` (${one.reason})`}`);
  out.answer({ model: model.modelName, paused: pauses }, () =>
    others.length === 0 ? text : `${text} Paused as well: ${others.join(', ')}.`,
  );

  return 0;
}

function named({ modelName }: Model, category: string | undefined): string {
  return category === undefined ? modelName : `The category ${category} of ${modelName}`;
}
