/** The state of a task: a dot for those who see colours, and its name. */
import { toneOf } from '../words';

export function StateBadge({ state }: { state: string | null }) {
  return (
    <span class="state" data-tone={toneOf(state)}>
      {(state ?? 'gone').toLowerCase()}
    </span>
  );
}

export function Tag({ children, tone = 'plain' }: { children: string; tone?: string }) {
  return (
    <span class="tag" data-tone={tone}>
      {children}
    </span>
  );
}
