// Tables as CSV (RFC 4180), safe to open in a spreadsheet.

export type CsvValue = string | number | boolean | null | undefined;

export function csv(header: string[], rows: CsvValue[][]): string {
  return [header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function cell(value: CsvValue): string {
  if (value == null) return "";
  if (typeof value !== "string") return String(value);
  // A text that begins like a formula would be run by the spreadsheet; names of agents come from the network.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Hands the browser a file to save. */
export function save(name: string, text: string, type = "text/csv"): void {
  // The mark makes Excel read UTF-8.
  const mark = type === "text/csv" ? "\uFEFF" : "";
  const url = URL.createObjectURL(new Blob([mark, text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
