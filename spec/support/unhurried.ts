// On a busy machine the server may need longer for an answer than the library gives it, and then it is told in part. All specs but
// those of these limits are about whole answers.
jest.mock('../../lib/inspect/limits', () => ({
  ...jest.requireActual<object>('../../lib/inspect/limits'),
  ANSWER_MS: 60_000,
  PART_MS: 60_000,
  ACT_MS: 60_000,
}));
