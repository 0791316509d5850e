/** A chart of values over time. Its colours are those of the theme; its legend shows the values under the pointer. */
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { now } from '../clock';
import { clockTime, type Tone } from '../words';
import { useTheme } from './theme-switch';

export interface Series {
  readonly label: string;
  readonly tone: Tone;
}

interface Props {
  title: string;
  /** Seconds since 1970. */
  times: readonly number[];
  series: readonly Series[];
  values: readonly (readonly (number | null)[])[];
  format: (value: number) => string;
}

const HEIGHT = 190;
const GROUP = 'history';

export function Chart({ title, times, series, values, format }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const theme = useTheme();
  const [at, setAt] = useState<number | null>(null);
  const data = [times, ...values] as unknown as uPlot.AlignedData;

  useEffect(() => {
    const element = place.current!;
    const made = new uPlot(optionsOf(element, series, format, setAt), data, element);
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    plot.current = made;

    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [theme]);
  useEffect(() => plot.current?.setData(data), [times, values]);

  return (
    <figure class="card chart">
      <figcaption>
        <h2>{title}</h2>
        <span class="muted small">
          {at !== null && times[at] !== undefined && clockTime(new Date(times[at] * 1_000).toISOString(), now())}
        </span>
        <ul class="legend">
          {series.map(({ label, tone }, index) => {
            const value = at === null ? null : values[index]?.[at];
            return (
              <li key={label} data-tone={tone}>
                {label}
                <b>{value === null || value === undefined ? '' : format(value)}</b>
              </li>
            );
          })}
        </ul>
      </figcaption>
      <div ref={place} class="plot" aria-hidden="true" />
    </figure>
  );
}

function optionsOf(
  element: HTMLElement,
  series: readonly Series[],
  format: Props['format'],
  onPoint: (index: number | null) => void,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1, size: 4 },
    font: '11px system-ui, sans-serif',
  };

  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false }, sync: { key: GROUP }, points: { size: 6 } },
    scales: { y: { range: (_, __, most) => [0, Math.max(most, 1) * 1.05] } },
    axes: [
      { ...axis, size: 28, values: '{HH}:{mm}', space: 60 },
      { ...axis, size: 58, space: 32, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...series.map(({ label, tone }, index) => ({
        label,
        stroke: colour(`--${tone}`),
        width: 1.5,
        points: { show: true, size: 4, filter: alone },
        ...(index === 0 && { fill: colour(`--${tone}-soft`) }),
        spanGaps: false,
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? null)] },
  };
}

/** The minutes with none on either side, of which no line would be seen. */
function alone(plot: uPlot, series: number): number[] {
  const values = [...(plot.data[series] ?? [])];
  const missing = (value: number | null | undefined) => value === null || value === undefined;

  return values.flatMap((value, index) =>
    !missing(value) && missing(values[index - 1]) && missing(values[index + 1]) ? [index] : [],
  );
}
