// The icons: 16 × 16 strokes, in the colour of the text beside them, told apart by shape alone.

const paths = {
  online: "M8 8m-2.2 0a2.2 2.2 0 1 0 4.4 0a2.2 2.2 0 1 0-4.4 0M3.6 3.6a6.2 6.2 0 0 0 0 8.8M12.4 3.6a6.2 6.2 0 0 1 0 8.8",
  offline: "M8 8m-5.7 0a5.7 5.7 0 1 0 11.4 0a5.7 5.7 0 1 0-11.4 0M4 4l8 8",
  clock: "M8 8m-5.7 0a5.7 5.7 0 1 0 11.4 0a5.7 5.7 0 1 0-11.4 0M8 4.8V8l2.2 1.6",
  "circle-dashed": "M10 2.7a5.7 5.7 0 0 1 2.6 1.9M13.7 7.6a5.7 5.7 0 0 1-.9 3.4M10.6 13a5.7 5.7 0 0 1-3.2.6M4.6 12.6A5.7 5.7 0 0 1 2.6 10M2.4 6.9a5.7 5.7 0 0 1 1.4-2.8M6 2.7a5.7 5.7 0 0 1 1.3-.3",
  check: "M8 8m-5.7 0a5.7 5.7 0 1 0 11.4 0a5.7 5.7 0 1 0-11.4 0M5.3 8.2l2 2 3.5-4",
  cross: "M5.6 2.3h4.8l3.3 3.3v4.8l-3.3 3.3H5.6l-3.3-3.3V5.6zM6 6l4 4M10 6l-4 4",
  hourglass: "M4 2.3h8M4 13.7h8M5 2.5c0 3.2 3 3.6 3 5.5s-3 2.3-3 5.5M11 2.5c0 3.2-3 3.6-3 5.5s3 2.3 3 5.5",
  arrows: "M13.3 6.5A5.6 5.6 0 0 0 3.4 4.9M3.2 2.3v2.8H6M2.7 9.5a5.6 5.6 0 0 0 9.9 1.6M12.8 13.7v-2.8H10",
  dash: "M8 8m-5.7 0a5.7 5.7 0 1 0 11.4 0a5.7 5.7 0 1 0-11.4 0M5.5 8h5",
  pulse: "M1.8 8.3h2.9L6.5 3.5l3 9 1.7-4.2h3",
  warning: "M8 2.2l6.2 11.1H1.8zM8 6.3v3.2M8 11.4v.1",
  stack: "M3 3.2h10M3 6.4h10M3 9.6h10M3 12.8h10",
  stop: "M3.7 3.7h8.6v8.6H3.7z",
  play: "M4.8 3v10l8-5z",
  question: "M8 8m-5.7 0a5.7 5.7 0 1 0 11.4 0a5.7 5.7 0 1 0-11.4 0M6.2 6.4a1.8 1.8 0 1 1 2.7 1.6c-.6.4-.9.7-.9 1.3M8 11.3v.1",
  info: "M8 8m-5.7 0a5.7 5.7 0 1 0 11.4 0a5.7 5.7 0 1 0-11.4 0M8 7.3v3.7M8 5v.1",
  overview: "M2.5 2.5h4.5v6H2.5zM9 2.5h4.5v3.5H9zM9 8h4.5v5.5H9zM2.5 10.5h4.5v3H2.5z",
  agents: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM4.8 5v.1M4.8 11v.1",
  flows: "M2.3 3h4v3.5h-4zM9.7 6.3h4v3.5h-4zM2.3 9.7h4v3.5h-4zM6.3 4.7h1.7v6.7H6.3M8 8h1.7",
  events: "M2.5 3.5h.1M2.5 8h.1M2.5 12.5h.1M5.5 3.5h8M5.5 8h8M5.5 12.5h8",
  search: "M7 7m-4.4 0a4.4 4.4 0 1 0 8.8 0a4.4 4.4 0 1 0-8.8 0M10.3 10.3l3.4 3.4",
  download: "M8 2.3v7.5M5 7l3 3 3-3M2.7 12.8h10.6",
  up: "M8 12.5v-9M4.5 7L8 3.5 11.5 7",
  down: "M8 3.5v9M4.5 9L8 12.5 11.5 9",
  chevron: "M4.5 6.3L8 9.8l3.5-3.5",
  right: "M3 8h10M9.5 4.5L13 8l-3.5 3.5",
  close: "M4 4l8 8M12 4l-8 8",
  user: "M8 5.4m-2.7 0a2.7 2.7 0 1 0 5.4 0a2.7 2.7 0 1 0-5.4 0M2.8 13.5c.5-2.6 2.6-4 5.2-4s4.7 1.4 5.2 4",
  settings: "M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M8.5 4.5a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M4.5 11.5a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0",
  plus: "M8 3v10M3 8h10",
  send: "M13.7 2.3L7.3 8.7M13.7 2.3l-4 11.4-2.4-5-5-2.4z",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
} as const;

export type IconName = keyof typeof paths;

/** Decoration only: the word stands beside it, or the button has a label. */
export function Icon({ name, size = 14 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
