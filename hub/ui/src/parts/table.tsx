// Every table of the application: virtual, sortable by its headers, exportable as CSV, read by screen readers as a table.
//
// Rows are either all here (`rows`: sorted here) or a window of what the hub has (`source`: sorted and filtered by the hub).
// The sort is one text, a column's id with "-" in front for descending, so that it can stand in the address.

import { createSortedRowModel, rowSortingFeature, tableFeatures, useTable, type ColumnDef } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, type ReactNode } from "react";
import { csv, save, type CsvValue } from "../text/csv";
import { Icon } from "./icon";

export interface Column<Row> {
  id: string;
  header: string;
  /** In pixels; the widths share what room is left. */
  width: number;
  number?: boolean;
  cell: (row: Row) => ReactNode;
  /** What is exported, and what rows that are here are sorted by. */
  value: (row: Row) => CsvValue;
  /** Exported only. */
  hidden?: boolean;
  /** Not sortable. */
  fixed?: boolean;
}

export interface WindowSource<Row> {
  total: number;
  rowAt: (index: number) => Row | undefined;
  onRange: (first: number, last: number) => void;
}

interface Props<Row> {
  label: string;
  columns: Column<Row>[];
  rows?: Row[];
  source?: WindowSource<Row>;
  rowKey: (row: Row) => string | number;
  sort: string;
  onSort: (sort: string) => void;
  empty: ReactNode;
  /** Grows with its rows up to this many pixels; without it the table fills its place. */
  height_max?: number;
  current?: (row: Row) => boolean;
}

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel() });
const row_px = 34;
const none: never[] = [];

interface Valued {
  getValue: (column: string) => unknown;
}

export function Table<Row extends object>(props: Props<Row>) {
  const { columns, source, sort, onSort } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const total = source ? source.total : (props.rows?.length ?? 0);
  const shown = useMemo(() => columns.filter((column) => !column.hidden), [columns]);

  const virtualizer = useVirtualizer({
    count: total,
    getScrollElement: () => scroller.current,
    estimateSize: () => row_px,
    overscan: 10,
    initialRect: { width: 800, height: 600 },
  });
  const items = virtualizer.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items[items.length - 1]?.index ?? -1;

  const onRange = source?.onRange;
  useEffect(() => {
    if (last >= first) onRange?.(first, last);
  }, [onRange, first, last]);
  // Another sort begins at the top.
  useEffect(() => {
    if (scroller.current) scroller.current.scrollTop = 0;
  }, [sort]);

  const definitions = useMemo(
    () =>
      shown.map((column): ColumnDef<typeof features, Row> => ({
        id: column.id,
        header: column.header,
        accessorFn: (row) => column.value(row) ?? undefined,
        sortUndefined: "last",
        sortFn: compare,
        enableSorting: !column.fixed,
      })),
    [shown],
  );
  const table = useTable({
    features,
    columns: definitions,
    data: source ? none : (props.rows ?? none),
    manualSorting: source !== undefined,
    state: { sorting: sort ? [{ id: sort.replace(/^-/, ""), desc: sort.startsWith("-") }] : [] },
  });
  const sorted = source ? none : table.getRowModel().rows;
  const rowAt = (index: number): Row | undefined => (source ? source.rowAt(index) : sorted[index]?.original);

  const before_px = items[0]?.start ?? 0;
  const after_px = virtualizer.getTotalSize() - (items[items.length - 1]?.end ?? 0);
  const width = shown.reduce((sum, column) => sum + column.width, 0);
  const header = 31;
  const size = props.height_max === undefined ? undefined : { height: Math.min(header + Math.max(total, 1) * row_px + 2, props.height_max) };

  if (total === 0) return <div className="table-empty">{props.empty}</div>;
  return (
    <div className={`table-scroll${size ? "" : " fill"}`} ref={scroller} style={size} tabIndex={0} role="region" aria-label={props.label}>
      <table className="table" aria-rowcount={total + 1} aria-label={props.label} style={{ minWidth: width }}>
        <colgroup>
          {shown.map((column) => (
            <col key={column.id} style={{ width: column.width }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {shown.map((column) => (
              <SortHeader key={column.id} column={column} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {before_px > 0 && <Spacer px={before_px} columns={shown.length} />}
          {items.map((item) => {
            const row = rowAt(item.index);
            return (
              <tr key={row ? props.rowKey(row) : `at ${item.index}`} aria-rowindex={item.index + 2} className={row && props.current?.(row) ? "current" : undefined}>
                {shown.map((column) => (
                  <td key={column.id} className={column.number ? "number" : undefined}>
                    {row ? column.cell(row) : <span className="bone" />}
                  </td>
                ))}
              </tr>
            );
          })}
          {after_px > 0 && <Spacer px={after_px} columns={shown.length} />}
        </tbody>
      </table>
    </div>
  );
}

function SortHeader<Row>({ column, sort, onSort }: { column: Column<Row>; sort: string; onSort: (sort: string) => void }) {
  const is_up = sort === column.id;
  const is_down = sort === `-${column.id}`;
  return (
    <th scope="col" className={column.number ? "number" : undefined} aria-sort={is_up ? "ascending" : is_down ? "descending" : undefined}>
      {column.fixed ? (
        column.header
      ) : (
        // Numbers are asked for from the top: the largest first.
        <button
          type="button"
          className="th-sort"
          onClick={() => onSort(is_up ? `-${column.id}` : is_down ? column.id : column.number ? `-${column.id}` : column.id)}
        >
          {column.header}
          {is_up && <Icon name="up" size={11} />}
          {is_down && <Icon name="down" size={11} />}
        </button>
      )}
    </th>
  );
}

const Spacer = ({ px, columns }: { px: number; columns: number }) => (
  <tr aria-hidden="true" className="spacer">
    <td colSpan={columns} style={{ height: px }} />
  </tr>
);

function compare(a: Valued, b: Valued, column: string): number {
  const x = a.getValue(column);
  const y = b.getValue(column);
  if (typeof x === "number" && typeof y === "number") return x - y;
  return String(x).localeCompare(String(y), "en", { numeric: true, sensitivity: "base" });
}

/** Saves the rows as NAME.csv: all columns, hidden ones too. */
export function exportTable<Row>(name: string, columns: Column<Row>[], rows: Row[]): void {
  save(
    `${name}.csv`,
    csv(
      columns.map((column) => column.header),
      rows.map((row) => columns.map((column) => column.value(row))),
    ),
  );
}

export function ExportButton({ onExport, busy }: { onExport: () => void; busy?: boolean }) {
  return (
    <button type="button" className="small" onClick={onExport} disabled={busy}>
      <Icon name="download" size={13} />
      {busy ? "Exporting …" : "CSV"}
    </button>
  );
}
