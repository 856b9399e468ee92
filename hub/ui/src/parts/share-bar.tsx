// A whole cut into its states: one bar, and beneath it each part with icon, word and number, as a link to the agents it counts.

import { Link } from "wouter";
import { count, share } from "../text/numbers";
import { said, type Said } from "../text/status";
import { Icon } from "./icon";

export function ShareBar<Key extends string>(props: {
  label: string;
  words: Record<Key, Said>;
  counts: Record<Key, number>;
  total: number;
  to?: (key: Key) => string;
  /** Parts that are shown at 0 too. */
  always?: Key[];
}) {
  const keys = Object.keys(props.words) as Key[];
  const shown = keys.filter((key) => (props.counts[key] ?? 0) > 0 || props.always?.includes(key));
  return (
    <div className="share">
      <Bar label={props.label} parts={keys.map((key) => ({ key, tone: props.words[key].tone, value: props.counts[key] ?? 0 }))} total={props.total} />
      <ul className="share-legend">
        {shown.map((key) => {
          const word = said(props.words, key);
          const text = (
            <>
              <span className={`tone-${(props.counts[key] ?? 0) > 0 ? word.tone : "idle"}`}>
                <Icon name={word.icon} size={13} />
              </span>
              <span>{word.word}</span>
              <strong>{count(props.counts[key] ?? 0)}</strong>
              <span className="muted">{share(props.counts[key] ?? 0, props.total)}</span>
            </>
          );
          return <li key={key}>{props.to ? <Link href={props.to(key)}>{text}</Link> : <span>{text}</span>}</li>;
        })}
      </ul>
    </div>
  );
}

/** The bar alone. Its parts are said in the label, since colour says nothing by itself. */
export function Bar(props: { label: string; parts: { key: string; tone: string; value: number }[]; total: number }) {
  const shown = props.parts.filter((part) => part.value > 0);
  return (
    <div className="bar" role="img" aria-label={`${props.label}: ${shown.map((part) => `${part.key.replaceAll("_", " ")} ${part.value}`).join(", ") || "none"}`}>
      {shown.map((part) => (
        // No part that is there may vanish: at least 3 pixels.
        <span key={part.key} className={`bar-${part.tone}`} style={{ flexGrow: part.value, minWidth: 3 }} />
      ))}
    </div>
  );
}
