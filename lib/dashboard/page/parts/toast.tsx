/** One line at the foot of the page that says what came of an action. Screen readers read it. */
import { useEffect, useState } from 'preact/hooks';
import { Icon } from './icon';

interface Said {
  readonly text: string;
  readonly bad: boolean;
}

const SHOWN_MS = 6_000;

let show: (said: Said | undefined) => void = () => {};

export function say(text: string, { bad = false } = {}): void {
  show({ text, bad });
}

export function Toast() {
  const [said, setSaid] = useState<Said>();
  show = setSaid;
  useEffect(() => {
    if (!said || said.bad) return undefined; // what went wrong stays until it was read
    const timer = setTimeout(() => setSaid(undefined), SHOWN_MS);

    return () => clearTimeout(timer);
  }, [said]);

  return (
    <div class="toast-place" role="status">
      {said && (
        <div class="toast" data-tone={said.bad ? 'bad' : 'plain'}>
          <Icon name={said.bad ? 'alert' : 'good'} />
          {said.text}
          <button type="button" class="quiet square" aria-label="Dismiss" onClick={() => setSaid(undefined)}>
            <Icon name="close" />
          </button>
        </div>
      )}
    </div>
  );
}
