/** The keyboard shortcuts, and the switch for who cannot use them. */
import { useContext, useState } from 'preact/hooks';
import { AboutContext } from '../about';
import { Dialog } from '../parts/dialog';
import { shortcutsOn, switchShortcuts } from '../shortcuts';

const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['g o', 'Overview'],
  ['g s', 'Schedules'],
  ['g w', 'Workers'],
  ['g h', 'History'],
  ['/', 'Search tasks'],
  ['j', 'Next task of the list'],
  ['k', 'Previous task of the list'],
  ['x', 'Select the task, or not'],
  ['Enter', 'Open the task'],
  ['n', 'Next page of the list'],
  ['e', 'Edit the task'],
  ['r', 'Load again'],
  ['p', 'Pause updates, follow again'],
  ['t', 'Dark or light'],
  ['?', 'This help'],
];

export function Help({ onClose }: { onClose: () => void }) {
  const { version } = useContext(AboutContext);
  const [on, setOn] = useState(shortcutsOn());
  const change = (next: boolean) => {
    switchShortcuts(next);
    setOn(next);
  };

  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl class="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={on}
          data-first
          onChange={({ currentTarget }) => change(currentTarget.checked)}
        />
        Shortcuts are on
      </label>
      <p class="muted small">mongoose-task-queue {version}</p>
    </Dialog>
  );
}
