import { Schema, type Connection } from 'mongoose';
import { taskQueue, type DependencyPolicy } from 'mongoose-task-queue';

/** Reports that wait for sources, for the faults spec itself and for the processes that it stops. */
export function makeReports(connection: Connection, recheckMs: number, onFailed: DependencyPolicy = 'fail') {
  const source = { type: Schema.Types.ObjectId, ref: 'Source', dependsOn: { type: 'DIRECT' as const, onFailed } };
  const Source = connection.model('Source', taskQueue(new Schema({})));
  const Report = connection.model('Report', taskQueue(new Schema({ source }), { recheckMs }));

  return { Source, Report };
}
