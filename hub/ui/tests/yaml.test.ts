// The colours of YAML.

import { expect, test } from "vitest";
import { pieces } from "../src/flowtext/yaml";

const kinds = (line: string) => pieces(line).filter((piece) => piece.kind).map((piece) => [piece.kind, piece.text]);

test("nothing of the text is lost or doubled", () => {
  for (const line of ["", "a: 1", '  - {from: bus, to: "x # y"}  # why', "Known Brokers: 'it''s'", "${speed:gt(0)}", "tcp://127.0.0.1:1883"]) {
    expect(pieces(line).map((piece) => piece.text).join("")).toBe(line);
  }
});

test("keys, strings, numbers and comments are told apart", () => {
  expect(kinds('  Quality of Service: 1, Topic: "a: b" # note')).toEqual([
    ["key", "Quality of Service"],
    ["number-value", "1"],
    ["key", "Topic"],
    ["string", '"a: b"'],
    ["comment", "# note"],
  ]);
});

test("a # inside a string or a word begins no comment", () => {
  expect(kinds('{Broker URI: "#{broker}"}')).toEqual([["key", "Broker URI"], ["string", '"#{broker}"']]);
  expect(kinds("topic: a#b")).toEqual([["key", "topic"]]);
});

test("a long line without any meaning takes no time", () => {
  const began = performance.now();
  pieces("a ".repeat(50_000));
  pieces("x".repeat(100_000));
  expect(performance.now() - began).toBeLessThan(2_000);
});
