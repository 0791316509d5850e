/** A page of tasks as a table; as cards where the screen is narrow. */
import type { TaskRow } from '../../api';
import { now } from '../clock';
import { StateBadge } from '../parts/state';
import { When } from '../parts/when';
import { addressOfTask } from '../route';
import { standing } from '../words';

interface Props {
  model: string;
  rows: readonly TaskRow[];
  /** Which tasks are listed. */
  state: string | undefined;
  selectable: boolean;
  selected: ReadonlySet<string>;
  onSelect: (ids: ReadonlySet<string>) => void;
}

export function TaskTable({ model, rows, state, selectable, selected, onSelect }: Props) {
  const whole = rows.every(({ id }) => selected.has(id));
  const toggle = (id: string) => onSelect(new Set([...selected, id].filter((one) => one !== id || !selected.has(id))));
  const toggleAll = () => onSelect(new Set(whole ? [] : rows.map(({ id }) => id)));
  const categories = rows.some(({ category }) => category !== null);

  return (
    <div class="scroll card">
      <table class="tasks cards-when-narrow">
        <thead>
          <tr>
            {selectable && (
              <th scope="col" class="pick">
                <input type="checkbox" aria-label="Select this page" checked={whole} onChange={toggleAll} />
              </th>
            )}
            <th scope="col">Task</th>
            <th scope="col">State</th>
            <th scope="col">Why, or by whom</th>
            {categories && <th scope="col">Category</th>}
            <th scope="col" class="figure">
              Priority
            </th>
            <th scope="col" class="figure">
              Attempts
            </th>
            <th scope="col">Created</th>
            <th scope="col">Due, ended</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id} class={selected.has(row.id) ? 'selected' : undefined}>
              {selectable && (
                <td class="pick">
                  <input
                    type="checkbox"
                    aria-label={`Select ${row.label}`}
                    checked={selected.has(row.id)}
                    onChange={() => toggle(row.id)}
                  />
                </td>
              )}
              <th scope="row">
                <a data-row href={addressOfTask(model, row.id)} title={row.summary}>
                  {row.summary || <code>{row.label}</code>}
                </a>
                {row.summary && <code class="muted small">{row.label}</code>}
              </th>
              <td data-label="State">
                <StateBadge state={standing(row, state, now())} />
              </td>
              <td data-label="Why, or by whom" class={row.reason || row.holder ? 'why' : 'why nothing'}>
                <span class="clamp" title={row.reason ?? row.holder ?? undefined}>
                  {row.reason ?? row.holder ?? ''}
                </span>
              </td>
              {categories && <td data-label="Category">{row.category}</td>}
              <td class="figure" data-label="Priority">
                <Figure of={row.priority} />
              </td>
              <td class="figure" data-label="Attempts">
                <Figure of={row.attempts} />
              </td>
              <td data-label="Created">
                <When at={row.createdAt} />
              </td>
              <td data-label="Due, ended">
                <When at={row.settledAt ?? row.dueAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Figure({ of }: { of: number }) {
  return <span class={of === 0 ? 'muted' : undefined}>{of}</span>;
}

const links = () => [...document.querySelectorAll<HTMLAnchorElement>('a[data-row]')];

/** Goes to the next task of the list, or to the one before: by focus, so that Enter opens it. */
export function focusRow(step: 1 | -1): void {
  const all = links();
  const at = all.indexOf(document.activeElement as HTMLAnchorElement);
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
  all[next]?.focus();
  all[next]?.scrollIntoView({ block: 'nearest' });
}

/** Selects the task that has the focus, or no longer. */
export function toggleFocused(): void {
  document.activeElement?.closest('tr')?.querySelector<HTMLInputElement>('.pick input')?.click();
}
