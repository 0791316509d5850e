/** What is selected of a list, and the way to select all that matches. */
import type { ComponentChildren } from 'preact';
import type { Count } from '../../api';
import { number, upTo } from '../words';

interface Props {
  count: Count;
  selected: ReadonlySet<string>;
  all: boolean;
  /** Whether there are more tasks than the list shows. */
  more: boolean;
  onAll: () => void;
  onClear: () => void;
  children: ComponentChildren;
}

export function Selection({ count, selected, all, more, onAll, onClear, children }: Props) {
  const matching = upTo(count.value, count.more);
  if (!all && selected.size === 0)
    return (
      <div class="selection">
        <span class="muted">Select tasks, or </span>
        <button type="button" class="link" onClick={onAll}>
          all {matching} that match
        </button>
      </div>
    );

  return (
    <div class="selection active">
      <strong>{all ? `All ${matching} that match` : `${number(selected.size)} selected`}</strong>
      {children}
      {!all && more && (
        <button type="button" class="link" onClick={onAll}>
          Select all {matching}
        </button>
      )}
      <button type="button" class="link" onClick={onClear}>
        Clear
      </button>
    </div>
  );
}
