// What narrows a list: a search field, sets of states, chips for what came from a link. All of it stands in the address.

import { useEffect, useState } from "react";
import type { Said } from "../text/status";
import { listOf } from "../url/state";
import { Icon } from "./icon";
import { Menu, MenuCheck, MenuItem, MenuLine } from "./menu";

export function Search({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => {
    setText(value);
  }, [value]);
  useEffect(() => {
    if (text === value) return;
    const wait = setTimeout(() => onChange(text), 250);
    return () => clearTimeout(wait);
  }, [text, value, onChange]);
  return (
    <label className="search">
      <span className="hidden-visually">{label}</span>
      <Icon name="search" />
      <input type="search" placeholder={label} value={text} onChange={(event) => setText(event.target.value)} />
    </label>
  );
}

export function StateFilter<Key extends string>(props: {
  label: string;
  words: Record<Key, Said> | Record<Key, string>;
  value: string;
  onChange: (value: string) => void;
}) {
  const chosen = listOf(props.value);
  const keys = Object.keys(props.words) as Key[];
  const word = (key: string): Said | string | undefined => (props.words as Record<string, Said | string>)[key];
  const text = (key: string) => {
    const said = word(key);
    return said === undefined ? key : typeof said === "string" ? said : said.word;
  };
  return (
    <Menu
      className={chosen.length > 0 ? "filter-on" : ""}
      label={
        <span>
          {props.label}
          {chosen.length > 0 && <strong>: {chosen.length > 2 ? `${chosen.length} of ${keys.length}` : chosen.map(text).join(", ")}</strong>}
        </span>
      }
    >
      {keys.map((key) => {
        const said = word(key);
        return (
          <MenuCheck
            key={key}
            checked={chosen.includes(key)}
            onChange={(checked) => props.onChange(keys.filter((each) => (each === key ? checked : chosen.includes(each))).join(","))}
          >
            {typeof said === "object" && (
              <span className={`tone-${said.tone}`}>
                <Icon name={said.icon} />
              </span>
            )}
            {text(key)}
          </MenuCheck>
        );
      })}
      <MenuLine />
      <MenuItem disabled={chosen.length === 0} onSelect={() => props.onChange("")}>
        <span className="menu-mark" />
        Any
      </MenuItem>
    </Menu>
  );
}

export function Choice({ label, any, value, options, onChange }: { label: string; any: string; value: string; options: string[]; onChange: (value: string) => void }) {
  return (
    <select aria-label={label} value={value} onChange={(event) => onChange(event.target.value)} className={value ? "filter-on" : ""}>
      <option value="">{any}</option>
      {(value && !options.includes(value) ? [value, ...options] : options).map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
  );
}

export function Chip({ children, onRemove }: { children: string; onRemove: () => void }) {
  return (
    <span className="chip">
      {children}
      <button type="button" aria-label={`Remove filter ${children}`} onClick={onRemove}>
        <Icon name="close" size={12} />
      </button>
    </span>
  );
}
