// The charts of an agent, a flow or the fleet.

import { lazy, Suspense } from "react";
import { ranges, useMetrics, type MetricsOf, type Range } from "../api/queries";
import type { MetricName } from "../api/types";
import { Panel } from "../parts/panel";
import { Empty, Failed, Loading } from "../parts/states";
import { byteRate, bytes, compact, percent, rate } from "../text/numbers";
import { duration, iso } from "../text/times";
import { csv, save } from "../text/csv";
import { ExportButton } from "../parts/table";

const Chart = lazy(() => import("../chart/chart"));

interface Plan {
  title: string;
  series: MetricName[];
  format: (value: number | null) => string;
  system?: boolean;
}

const plans: Plan[] = [
  { title: "Records", series: ["in_records_per_s", "out_records_per_s"], format: rate },
  { title: "Bytes", series: ["in_bytes_per_s", "out_bytes_per_s"], format: byteRate },
  { title: "Queued FlowFiles", series: ["queued_count"], format: compact },
  { title: "Queued bytes", series: ["queued_bytes"], format: bytes },
  { title: "Age of the oldest queued", series: ["queued_age_ms_max"], format: duration },
  {
    title: "Dropped, by reason",
    series: ["dropped_expired_per_s", "dropped_evicted_per_s", "dropped_auto_terminated_per_s", "dropped_removed_per_s", "dropped_quarantined_per_s"],
    format: rate,
  },
  { title: "CPU of the agent", series: ["cpu_percent"], format: percent, system: true },
  { title: "Memory of the agent", series: ["memory_bytes"], format: bytes, system: true },
  { title: "Disk used by the agent", series: ["disk_used_bytes"], format: bytes, system: true },
];

export function Charts({ of, range, onRange, system }: { of: MetricsOf; range: string; onRange: (range: string) => void; system?: boolean }) {
  const known: Range = range in ranges ? (range as Range) : "1h";
  const shown = plans.filter((plan) => system || !plan.system);
  const metrics = useMetrics(of, known, shown.flatMap((plan) => plan.series));
  const name = "agent" in of ? of.agent : "flow" in of ? of.flow : "fleet";
  return (
    <div className="stack">
      <div className="row apart">
        <div className="row" role="group" aria-label="Span of time">
          {(Object.keys(ranges) as Range[]).map((each) => (
            <button key={each} type="button" className={`small${each === known ? " filter-on" : ""}`} aria-pressed={each === known} onClick={() => onRange(each)}>
              {each}
            </button>
          ))}
        </div>
        {metrics.data && (
          <ExportButton
            onExport={() => {
              const data = metrics.data;
              const names = Object.keys(data.series) as MetricName[];
              save(`${name}-metrics.csv`, csv(["time", ...names], data.times_ms.map((time, index) => [iso(time), ...names.map((each) => data.series[each]?.[index])])));
            }}
          />
        )}
      </div>
      {!metrics.data ? (
        metrics.error ? <Failed what="the metrics" error={metrics.error} retry={() => void metrics.refetch()} /> : <Loading what="metrics" />
      ) : !Object.values(metrics.data.series).some((values) => values.some((value) => value !== null)) ? (
        <Empty title="Nothing was measured in this span">Choose a longer one.</Empty>
      ) : (
        <div className="charts">
          {shown.map((plan) => (
            <Panel key={plan.title} title={plan.title}>
              <Suspense
                fallback={
                  <div className="chart">
                    <Loading what="the chart" />
                  </div>
                }
              >
                <Chart label={`${plan.title}, last ${known}`} metrics={metrics.data} series={plan.series} format={plan.format} />
              </Suspense>
            </Panel>
          ))}
        </div>
      )}
    </div>
  );
}
