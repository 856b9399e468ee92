// How times and durations are said. Relative where the eye passes, absolute on hover and in exports.

import { unknown } from "./numbers";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Two units at most: 350 ms, 12 s, 3 min 20 s, 5 h 10 min, 12 d 4 h. */
export function duration(ms: number | null | undefined): string {
  if (ms == null) return unknown;
  if (ms < 0) return "0 s";
  if (ms < second) return `${Math.round(ms)} ms`;
  const parts: [number, string][] = [
    [Math.floor(ms / day), "d"],
    [Math.floor((ms % day) / hour), "h"],
    [Math.floor((ms % hour) / minute), "min"],
    [Math.floor((ms % minute) / second), "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}

/** "now", "12 s ago", "3 min ago", "in 2 h": one unit, so that a column stays quiet. */
export function ago(time_ms: number | null | undefined, now_ms: number): string {
  if (time_ms == null) return "never";
  const distance = now_ms - time_ms;
  const size = Math.abs(distance);
  if (size < 2 * second) return "now";
  const text =
    size < minute ? `${Math.floor(size / second)} s`
    : size < hour ? `${Math.floor(size / minute)} min`
    : size < 2 * day ? `${Math.floor(size / hour)} h`
    : `${Math.floor(size / day)} d`;
  return distance > 0 ? `${text} ago` : `in ${text}`;
}

/** 2026-11-21 09:31:05, local or UTC (then with " UTC"). */
export function absolute(time_ms: number | null | undefined, utc: boolean): string {
  if (time_ms == null) return "never";
  return `${date(time_ms, utc)} ${clock(time_ms, utc)}${utc ? " UTC" : ""}`;
}

/** 09:31:05. */
export function clock(time_ms: number, utc: boolean): string {
  const at = new Date(time_ms);
  const parts = utc ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()] : [at.getHours(), at.getMinutes(), at.getSeconds()];
  return parts.map(two).join(":");
}

export function date(time_ms: number, utc: boolean): string {
  const at = new Date(time_ms);
  return utc
    ? `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`
    : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** For exports: sorts as text and is read by every spreadsheet. */
export function iso(time_ms: number | null | undefined): string {
  return time_ms == null ? "" : new Date(time_ms).toISOString();
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
