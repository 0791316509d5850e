import * as door from '../lib';

/** What users import, and nothing else: a name that is here is kept. */
const NAMES = [
  // The plugin
  'taskQueue',
  'Priority',
  'State',
  'DependsOn',
  'DependencyType',
  'TaskBase',
  // The verbs as functions
  'attempts',
  'blocked',
  'blockedBy',
  'cancel',
  'cancelRequested',
  'cancelled',
  'ensureTaskIndexes',
  'fail',
  'failures',
  'findByKey',
  'finish',
  'history',
  'isEmpty',
  'lastProgress',
  'lease',
  'pause',
  'paused',
  'pop',
  'popMany',
  'progress',
  'push',
  'pushOutcome',
  'queue',
  'release',
  'renew',
  'requeue',
  'resume',
  'retry',
  'stats',
  'unschedule',
  'workers',
  // Workers
  'Worker',
  'runWorkers',
  // Backoff
  'constant',
  'exponential',
  'linear',
  // Errors
  'IndexConflictError',
  'InvalidOptionError',
  'LeaseLostError',
  'TaskCancelledError',
  'TaskQueueError',
  'TaskStateError',
  'UnauthorizedError',
  'UnrecoverableError',
  'UnsupportedServerError',
];

describe('the package', () => {
  it('exports the documented names and no other', () => {
    expect(Object.keys(door).sort((a, b) => (a < b ? -1 : 1))).toEqual(NAMES.sort((a, b) => (a < b ? -1 : 1)));
  });

  it('exports something under each of them', () => {
    for (const [name, value] of Object.entries(door)) expect({ [name]: value }).not.toEqual({ [name]: undefined });
  });
});

describe('the errors', () => {
  const classes = Object.entries(door).filter(([name]) => name.endsWith('Error')) as [string, typeof Error][];

  it.each(classes)('%s says its name, and is a TaskQueueError where the library throws it', (name, ErrorClass) => {
    const error = new ErrorClass('no');

    expect(error).toBeInstanceOf(Error);
    // The user's handlers throw that one.
    expect(error instanceof door.TaskQueueError).toBe(name !== 'UnrecoverableError');
    expect(error.name).toBe(name);
    expect(String(error)).toBe(`${name}: no`);
  });
});

describe('the constants', () => {
  it('are what is stored in the database', () => {
    expect(door.State).toEqual({
      PENDING: 'PENDING',
      CREATED: 'CREATED',
      RUNNING: 'RUNNING',
      FINISHED: 'FINISHED',
      FAILED: 'FAILED',
      CANCELLED: 'CANCELLED',
    });
    expect(door.Priority).toEqual({ LOW: 1, MEDIUM: 2, HIGH: 3 });
  });
});
