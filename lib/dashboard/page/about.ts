/** What the page knows of itself from its first answer on: the models, and what this person may do. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { About, AboutModel, Action, QueueSummary } from '../api';

const NOTHING: About = { title: '', readOnly: true, version: '', now: '', models: [] };

export const AboutContext = createContext<About>(NOTHING);

/** The newest figures of all queues, which the frame asks for whatever the view is. */
export const QueuesContext = createContext<readonly QueueSummary[]>([]);

export function useModel(name: string): AboutModel | undefined {
  return useContext(AboutContext).models.find((model) => model.name === name);
}

export function useQueue(model: string): QueueSummary | undefined {
  return useContext(QueuesContext).find((queue) => queue.model === model);
}

/** Which of `actions` are to be offered. */
export function useAllowed(model: string): (action: Action) => boolean {
  const { readOnly } = useContext(AboutContext);
  const actions = useModel(model)?.actions ?? [];

  return (action) => actions.includes(action) && (action === 'view' || !readOnly);
}
