import { type Connection, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { drain } from 'mongoose-task-queue/testing';

export type Emails = ReturnType<typeof emailModel>;

export function emailModel(connection: Connection) {
  return connection.model('Email', taskQueue(new Schema({ to: String })));
}

/** Works off what is ready, and resolves to whom the emails went, in the order in which they were worked on. */
export async function workOff(Email: Emails): Promise<string[]> {
  const runs: string[] = [];
  await drain(Email, { handler: (task) => void runs.push(task.to!) });

  return runs;
}

/** Lets the next look at the zone of this process tell another one. */
export function inZone(timeZone: string): void {
  const { resolvedOptions } = Intl.DateTimeFormat.prototype;
  jest.spyOn(Intl.DateTimeFormat.prototype, 'resolvedOptions').mockImplementationOnce(function (
    this: Intl.DateTimeFormat,
  ) {
    return { ...resolvedOptions.call(this), timeZone };
  });
}
