import { Schema, type Connection, type IndexDefinition, type IndexOptions } from 'mongoose';
import { atConcurrency, type Comparison } from './harness';
import type { Setting } from './setting';
import { payload, payloadPaths, recreate, taskModel, type Task } from './tasks';

const OPERATIONS = 20_000;
const CALLERS = 32;

/**
 * What a push costs more than the same insert without the plugin. The plain model stores the very same fields, has the same
 * indexes (taken from ours, partial filters and options included), and lets Mongoose set and check them by defaults and
 * validators, as somebody would who keeps a queue by hand. So both sides validate the same values and the server does the
 * same work for both; each side's callers give the same three fields.
 */
export function push({ connection }: Setting): Comparison[] {
  const Task = taskModel(connection);
  const Plain = plainModel(connection, Task);
  const prepareTask = () => recreate(Task);
  const preparePlain = async () => {
    await Plain.collection.drop();
    await Plain.createIndexes();
  };

  return [
    {
      title: 'insert in bulk',
      operations: OPERATIONS,
      metric: 'perSecond',
      target: 1,
      baseline: {
        name: 'insertMany()',
        prepare: preparePlain,
        run: (count) => atConcurrency(1, 1, () => Plain.insertMany(inputs(count))),
      },
      contenders: [
        {
          name: 'push([…])',
          cpu: 0.63,
          prepare: prepareTask,
          run: (count) => atConcurrency(1, 1, () => Task.push(inputs(count))),
        },
      ],
    },
    {
      title: `insert one by one, ${CALLERS} at once`,
      operations: OPERATIONS,
      metric: 'perSecond',
      target: 1,
      baseline: {
        name: 'create()',
        prepare: preparePlain,
        run: (count) => atConcurrency(CALLERS, count, () => Plain.create({ ...payload })),
      },
      contenders: [
        {
          name: 'push()',
          cpu: 0.16,
          prepare: prepareTask,
          run: (count) => atConcurrency(CALLERS, count, () => Task.push({ ...payload })),
        },
      ],
    },
  ];
}

function plainModel(connection: Connection, task: Task) {
  const schema = new Schema({
    ...payloadPaths,
    state: { type: String, enum: ['PENDING', 'CREATED', 'RUNNING', 'FINISHED', 'FAILED'], default: 'CREATED' },
    priority: { type: Number, default: 2, validate: isPriority },
    createdAt: { type: Date, default: Date.now },
    _task: {
      availableAt: { type: Date, default: Date.now },
      dueAt: { type: Date, default: Date.now },
      expiresFrom: { type: Date, default: Date.now },
    },
  });
  for (const [key, options] of task.schema.indexes()) schema.index(key as IndexDefinition, options as IndexOptions);

  return connection.model('Plain', schema);
}

function isPriority(value: number | null): boolean {
  return value === null || (Number.isInteger(value) && value >= -100 && value <= 100);
}

function inputs(count: number) {
  return Array.from({ length: count }, () => ({ ...payload }));
}
