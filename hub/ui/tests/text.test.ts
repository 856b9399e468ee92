// How numbers, times and tables are said.

import { describe, expect, test } from "vitest";
import { csv } from "../src/text/csv";
import { byteRate, bytes, compact, count, counted, rate, share } from "../src/text/numbers";
import { absolute, ago, duration, iso } from "../src/text/times";
import * as status from "../src/text/status";

describe("numbers", () => {
  test("what is not known is a dash, never a zero", () => {
    for (const say of [count, compact, bytes, rate, byteRate]) expect(say(null)).toBe("–");
    expect(count(0)).toBe("0");
  });
  test("a number has three significant digits and one unit", () => {
    expect([0, 0.001, 0.42, 7.5, 48.06, 480, 999.4, 999.6, 12_345, 4_100_000].map(compact)).toEqual([
      "0", "<0.01", "0.42", "7.5", "48.1", "480", "999", "1 k", "12.3 k", "4.1 M",
    ]);
  });
  test("sizes are binary, and 1023.9 KiB is a mebibyte", () => {
    expect([0, 512, 1024, 1536, 1_048_524, 3_435_973_837].map(bytes)).toEqual(["0 B", "512 B", "1 KiB", "1.5 KiB", "1 MiB", "3.2 GiB"]);
    expect(byteRate(2048)).toBe("2 KiB/s");
  });
  test("a share never rounds something to nothing, or not all to all", () => {
    expect(share(1, 100_000)).toBe("<0.1 %");
    expect(share(99_999, 100_000)).toBe(">99.9 %");
    expect(share(100, 100)).toBe("100 %");
    expect(share(0, 0)).toBe("–");
  });
  test("one agent, three agents", () => {
    expect([counted(1, "agent"), counted(3, "agent"), counted(1200, "agent")]).toEqual(["1 agent", "3 agents", "1,200 agents"]);
  });
});

describe("times", () => {
  test("a duration has two units at most", () => {
    expect([0, 350, 12_000, 200_000, 18_600_000, 1_051_200_000, 86_400_000].map(duration)).toEqual([
      "0 ms", "350 ms", "12 s", "3 min 20 s", "5 h 10 min", "12 d 4 h", "1 d",
    ]);
  });
  test("a moment is told from the hub's now, also one that lies ahead", () => {
    const now = 1_000_000_000;
    expect([now - 500, now - 12_000, now - 3_600_000 * 3, now - 86_400_000 * 5, now + 7_200_000].map((each) => ago(each, now))).toEqual([
      "now", "12 s ago", "3 h ago", "5 d ago", "in 2 h",
    ]);
    expect(ago(null, now)).toBe("never");
  });
  test("absolute times say when they are UTC, exports sort as text", () => {
    expect(absolute(0, true)).toBe("1970-01-01 00:00:00 UTC");
    expect(iso(0)).toBe("1970-01-01T00:00:00.000Z");
    expect(iso(null)).toBe("");
  });
});

describe("csv", () => {
  test("commas, quotes and line breaks are quoted", () => {
    expect(csv(["a", "b"], [["x,y", 'say "no"'], ["two\nlines", 3]])).toBe('a,b\r\n"x,y","say ""no"""\r\n"two\nlines",3\r\n');
  });
  test("a name that looks like a formula is not run by a spreadsheet", () => {
    expect(csv(["id"], [["=HYPERLINK(1)"], ["-1"], [-1]])).toBe("id\r\n'=HYPERLINK(1)\r\n'-1\r\n-1\r\n");
  });
});

describe("states", () => {
  test("each state has a word, and within an axis no two look alike", () => {
    for (const axis of [status.connectivity, status.sync, status.health, status.operationState]) {
      const all = Object.values(axis);
      expect(new Set(all.map((each) => each.icon)).size).toBe(all.length);
      expect(new Set(all.map((each) => each.word)).size).toBe(all.length);
    }
  });
  test("a state that this page does not know is shown as the hub says it", () => {
    expect(status.said(status.sync, "drifted" as never).word).toBe("drifted");
  });
});
