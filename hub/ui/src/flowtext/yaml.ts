// Colours for a line of YAML: keys, strings, numbers, comments. For reading only; it parses nothing.

export interface Piece {
  kind: "key" | "string" | "number-value" | "comment" | "";
  text: string;
}

// In order of trial: comment, quoted text (a key when a colon follows), a key, a number.
const pattern = /(^|\s)(#.*)$|("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')(\s*:(?=\s|$))?|([A-Za-z0-9_.\-][^\s:#,[\]{}"']*(?: [^\s:#,[\]{}"']+)*)(\s*:(?=\s|$))|(?<=[\s:[{,])(-?\d+(?:\.\d+)?)(?=\s*(?:[,\]}]|$))/g;

/** Longer lines are data, not structure; the pattern would try each of their characters anew. */
const line_chars_max = 1_000;

export function pieces(line: string): Piece[] {
  if (line.length > line_chars_max) return [{ kind: "", text: line }];
  const found: Piece[] = [];
  let end = 0;
  const add = (kind: Piece["kind"], text: string) => text && found.push({ kind, text });
  for (const match of line.matchAll(pattern)) {
    add("", line.slice(end, match.index));
    const [whole, space, comment, quoted, quotedColon, key, keyColon, number] = match;
    if (comment !== undefined) {
      add("", space ?? "");
      add("comment", comment);
    } else if (quoted !== undefined) {
      add(quotedColon ? "key" : "string", quoted);
      add("", quotedColon ?? "");
    } else if (key !== undefined) {
      add("key", key);
      add("", keyColon ?? "");
    } else if (number !== undefined) {
      add("number-value", number);
    }
    end = match.index + whole.length;
  }
  add("", line.slice(end));
  return found;
}
