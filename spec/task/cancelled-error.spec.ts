import type { AnyModel } from '../../lib/definition/definition';
import { cancelledOf } from '../../lib/task/cancelled-error';

const model = { modelName: 'Job' } as AnyModel;

describe('the error for a cancelled task', () => {
  it('says why, and until when it may be finished', () => {
    const { message } = cancelledOf(model, 7, 'withdrawn', new Date(0));

    expect(message).toBe('Job 7 was cancelled: withdrawn. It can be finished until 1970-01-01T00:00:00.000Z.');
  });

  it('can be made for an `_id` of which no text can be made', () => {
    const id: unknown = Object.create(null);

    expect(cancelledOf(model, id, undefined, null)).toMatchObject({
      message: 'Job of an odd id was cancelled.',
      taskId: id,
    });
  });
});
