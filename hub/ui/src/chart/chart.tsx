// Series over time, drawn by uPlot; its lines are told apart by dash and word as well as by colour.

import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { MetricName, Metrics } from "../api/types";
import { unknown } from "../text/numbers";
import { usePreferences } from "../url/preferences";

const words: Record<MetricName, string> = {
  in_records_per_s: "In",
  in_bytes_per_s: "In",
  out_records_per_s: "Out",
  out_bytes_per_s: "Out",
  queued_count: "Queued",
  queued_bytes: "Queued",
  queued_age_ms_max: "Oldest",
  dropped_expired_per_s: "Expired",
  dropped_evicted_per_s: "Evicted",
  dropped_auto_terminated_per_s: "Auto-terminated",
  dropped_removed_per_s: "Removed",
  dropped_quarantined_per_s: "Quarantined",
  cpu_percent: "CPU",
  memory_bytes: "Memory",
  disk_used_bytes: "Disk used",
  agents_online: "Online",
};
const dashes = [[], [6, 4], [2, 3], [10, 4, 2, 4], [1, 4]];

/** Ticks of sizes stand at 256 KiB and 512 KiB, not at 195.3 KiB. */
const powers = Array.from({ length: 50 }, (_, power) => 2 ** power);

interface Props {
  label: string;
  metrics: Metrics;
  series: MetricName[];
  format: (value: number | null) => string;
  height?: number;
}

export default function Chart({ label, metrics, series, format, height = 150 }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const { theme, utc } = usePreferences();
  const data = useMemo(() => columns(metrics, series), [metrics, series]);
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const element = place.current!;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element, series, format, height, utc), latest.current, element);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", draw);
    return () => {
      system.removeEventListener("change", draw);
      resized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
    // The series of one chart never change; callers give them as constants.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [series.join(), height, utc, theme]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data]);

  return (
    <figure className="chart" aria-label={label}>
      <div ref={place} aria-hidden="true" />
      <figcaption className="chart-legend">
        {series.map((name, index) => (
          <span key={name}>
            <svg width="22" height="8" aria-hidden="true">
              <line x1="0" x2="22" y1="4" y2="4" strokeWidth="2.5" strokeDasharray={dashes[index]!.join(" ")} style={{ stroke: `var(--series-${index + 1})` }} />
            </svg>
            {words[name]} <strong>{format(last(metrics.series[name]))}</strong>
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

function columns(metrics: Metrics, series: MetricName[]): uPlot.AlignedData {
  return [metrics.times_ms.map((time) => time / 1000), ...series.map((name) => metrics.series[name] ?? metrics.times_ms.map(() => null))];
}

function last(values: (number | null)[] | undefined): number | null {
  return values?.findLast((value) => value !== null) ?? null;
}

function options(element: HTMLElement, series: MetricName[], format: Props["format"], height: number, utc: boolean): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: color("--muted"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { stroke: color("--line"), width: 1, size: 4 },
    font: `11px ${style.getPropertyValue("--font")}`,
  };
  return {
    width: Math.max(element.clientWidth, 200),
    height,
    padding: [10, 18, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    ...(utc ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), "UTC") } : {}),
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, size: 32, values: [
        [86_400, "{MM}-{DD}", null, null, null, null, null, null, 1],
        [3_600, "{HH}:{mm}", "\n{MM}-{DD}", null, null, null, null, null, 1],
        [60, "{HH}:{mm}", null, null, null, null, null, null, 1],
        [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1],
      ] },
      { ...axis, size: 70, ...(series[0]?.includes("bytes") ? { incrs: powers } : {}), values: (_plot, values) => values.map((value) => (value == null ? unknown : format(value))) },
    ],
    series: [
      {},
      ...series.map((_name, index) => ({
        stroke: color(`--series-${index + 1}`),
        width: 1.6,
        dash: dashes[index]!,
        points: { size: 4 },
        spanGaps: false,
      })),
    ],
  };
}
