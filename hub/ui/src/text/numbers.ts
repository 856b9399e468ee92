// How numbers are said: counts, sizes, rates, shares. What is not known is an en dash, everywhere.

export const unknown = "–";

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** 12345 → "12,345". */
export function count(value: number | null | undefined): string {
  return value == null ? unknown : grouped.format(value);
}

/** "1 agent", "3 agents". */
export function counted(value: number, one: string, many = one + "s"): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Three significant digits and no more than one unit: 0, 0.42, 7.5, 480, 12.3 k, 4.1 M. */
export function compact(value: number | null | undefined): string {
  if (value == null) return unknown;
  return scaled(value, 1000, ["", " k", " M", " G", " T"]);
}

/** Binary units, as the programs' options have them: 512 B, 1.5 KiB, 3.2 GiB. */
export function bytes(value: number | null | undefined): string {
  if (value == null) return unknown;
  return scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB", " PiB"]);
}

export function rate(value: number | null | undefined): string {
  return value == null ? unknown : `${compact(value)}/s`;
}

export function byteRate(value: number | null | undefined): string {
  return value == null ? unknown : `${bytes(value)}/s`;
}

export function percent(value: number | null | undefined): string {
  return value == null ? unknown : `${significant(value)} %`;
}

/** Share of a whole in percent that never rounds something to 0 or not-all to 100. */
export function share(part: number, whole: number): string {
  if (whole === 0) return unknown;
  const value = (part / whole) * 100;
  if (part > 0 && value < 0.1) return "<0.1 %";
  if (part < whole && value > 99.9) return ">99.9 %";
  return `${significant(value)} %`;
}

function scaled(value: number, base: number, units: string[]): string {
  let unit = 0;
  let rest = Math.abs(value);
  // 999.6 would be rounded to "1000": go on to the next unit before that.
  while (rest >= base * 0.9995 && unit < units.length - 1) {
    rest /= base;
    unit++;
  }
  const whole = unit === 0 && units[0] === " B";
  return (value < 0 ? "−" : "") + (whole ? String(Math.round(rest)) : significant(rest)) + units[unit];
}

function significant(value: number): string {
  if (value === 0) return "0";
  if (value >= 100) return grouped.format(value);
  if (value >= 10) return value.toFixed(1).replace(/\.0$/, "");
  if (value < 0.005) return "<0.01";
  return value.toFixed(2).replace(/\.?0+$/, "");
}
