import { Worker } from '../worker/worker';
import { type Named, nameOf } from './named';

/**
 * The token of the worker of a model's processor, for tests and factories: `app.get(workerToken('Email'))` where `@InjectWorker('Email')` cannot be.
 *
 * @throws {InvalidOptionError} for what names no model.
 */
export function workerToken(model: Named): string {
  return `TaskQueueWorker:${nameOf(model, '@InjectWorker(Email.name)')}`;
}

/**
 * Stands for a worker that is made later: what is injected must be there before the processor, whose services may want the worker in turn.
 * Anything that a worker has is taken from it when it is used.
 */
export function referenceTo(find: () => Worker): Worker {
  return new Proxy(Object.create(Worker.prototype) as Worker, {
    get(target, name) {
      // Nest asks each provider for hooks that a worker does not have, and whether it is a promise.
      if (!(name in target) || name === 'constructor') return Reflect.get(target, name) as unknown;
      const worker = find();
      const value = Reflect.get(worker, name) as unknown;

      return typeof value === 'function' ? value.bind(worker) : value;
    },
  });
}
