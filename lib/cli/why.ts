import type { Command } from './context';
import { taskNamed } from './context';
import { reasonsFor } from './reasons';
import { plainId } from './list';
import { idText } from '../inspect/ids';

/** Why a task does not run, in sentences. */
export const whyCommand: Command = async (context, [id = '']) => {
  const task = await taskNamed(context, id);
  const reasons = await reasonsFor(context, task);
  const { modelName: model } = task.model;
  context.out.answer({ model, id: idText(task.raw._id), state: task.state, reasons }, () =>
    [
      `${context.out.paint.bold(`${model} ${plainId(idText(task.raw._id))}`)} is ${task.state}.`,
      ...reasons.map((one) => `- ${one}`),
    ].join('\n'),
  );

  return 0;
};
