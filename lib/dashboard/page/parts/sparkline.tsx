/** The last hour of a queue in a line of bars, a minute each: what finished, and on top of it what failed. */
import { now } from '../clock';
import { number } from '../words';

interface Minute {
  at: string;
  finished: number;
  failed: number;
}

const MINUTES = 60;
const WIDTH = 180;
const HEIGHT = 28;
const STEP = WIDTH / MINUTES;

export function Sparkline({ minutes }: { minutes: readonly Minute[] }) {
  const last = Math.floor(now() / 60_000);
  const most = Math.max(1, ...minutes.map(({ finished, failed }) => finished + failed));
  const bars = minutes.flatMap((minute) => {
    const x = (MINUTES - 1 - (last - Math.floor(Date.parse(minute.at) / 60_000))) * STEP;
    return x < 0 || x >= WIDTH ? [] : [{ ...minute, x }];
  });
  const high = (count: number) => (count === 0 ? 0 : Math.max(1.5, (count / most) * (HEIGHT - 2)));
  const bar = (x: number, from: number, height: number) =>
    `M${x + 0.4} ${HEIGHT - from}v${-height}h${STEP - 0.8}v${height}z`;
  const sum = (name: 'finished' | 'failed') => minutes.reduce((total, minute) => total + minute[name], 0);

  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`Last hour: ${number(sum('finished'))} finished, ${number(sum('failed'))} failed; at most ${number(most)} a minute`}
    >
      <path class="base" d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
      <path class="finished" d={bars.map(({ x, finished }) => bar(x, 0, high(finished))).join('')} />
      <path class="failed" d={bars.map(({ x, finished, failed }) => bar(x, high(finished), high(failed))).join('')} />
    </svg>
  );
}
