import { requireSettings } from '../definition/settings';
import { TaskQueueError } from '../errors';
import { clockOf } from '../server/clock';
import type { Check, Found } from './finding';

export const server: Check = {
  name: 'server',
  about: 'the server and the settings of the connection are such that claims can be told apart',
  isOfCollection: true,

  async look({ definition: { model } }): Promise<Found[]> {
    try {
      const clock = await clockOf(model);
      await clock.refresh();
      requireSettings(model);
      return [];
    } catch (error) {
      if (!(error instanceof TaskQueueError)) throw error;
      // These errors say in their last sentence what to write instead.
      const [text, hint = ''] = error.message.split(/\. (?=Write |Upgrade |Open )/, 2);
      return [{ text: text!, hint, severity: 'error' }];
    }
  },
};
