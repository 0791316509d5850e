import { Schema, model, models } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { dashboard } from 'mongoose-task-queue/dashboard';

const Mail = models.Mail ?? model('Mail', taskQueue(new Schema({ to: String })));
const board = dashboard({ models: [Mail], authorize: () => true });

export const dynamic = 'force-dynamic';
export const GET = (request) => board.fetch(request);

export async function POST() {
  const task = await Mail.push({ to: 'ada@example.org' });
  return Response.json({ id: task.id });
}
