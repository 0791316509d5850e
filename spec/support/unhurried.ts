// On a busy machine what is cut off after a moment may need longer: an answer to who looks is then told in part, and a worker that is
// stopped leaves tasks to their leases. All specs but those of these limits are about what becomes of it otherwise.
jest.mock('../../lib/inspect/limits', () => ({
  ...jest.requireActual<object>('../../lib/inspect/limits'),
  ANSWER_MS: 60_000,
  PART_MS: 60_000,
  ACT_MS: 60_000,
}));
jest.mock('../../lib/worker/limits', () => ({
  ...jest.requireActual<object>('../../lib/worker/limits'),
  LEAVE_MS: 60_000,
}));
