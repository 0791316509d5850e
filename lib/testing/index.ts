/**
 * A kit for the tests of programs that use the queue, for Jest, Vitest, `node:test` or any other runner, against a real server. Nothing in
 * it is a double of the queue: tasks are pushed, claimed and settled by what runs in production. What would take time is done by moving the
 * times that are stored with the tasks.
 *
 * @module
 */
export { advance } from './advance';
export { audit } from './audit';
export { crash } from './crash';
export { drain, type Drained, type DrainOptions } from './drain';
export { expectPushed } from './expect-pushed';
export { runOne, type Ran } from './run-one';
