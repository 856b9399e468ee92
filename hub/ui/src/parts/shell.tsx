// The frame of every page: the way to the others, who is logged in, and whether the hub answers.

import { useSyncExternalStore, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { linkState, onLinkChange } from "../api/client";
import { useLogout } from "../api/queries";
import type { Session } from "../api/types";
import { duration } from "../text/times";
import { prefer, usePreferences, type Theme } from "../url/preferences";
import { Icon, type IconName } from "./icon";
import { Menu, MenuChoice, MenuItem, MenuLabel, MenuLine } from "./menu";
import { useNow } from "./time";

/** `also` is where pages of the same kind lie outside its own address. */
const places: { to: string; label: string; icon: IconName; also?: string }[] = [
  { to: "/", label: "Overview", icon: "overview" },
  { to: "/agents", label: "Agents", icon: "agents" },
  { to: "/flows", label: "Flows", icon: "flows", also: "/push" },
  { to: "/events", label: "Events", icon: "events" },
];

export function Shell({ session, children }: { session: Session; children: ReactNode }) {
  const [location, navigate] = useLocation();
  const { theme, utc } = usePreferences();
  const logout = useLogout();
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <nav className="nav" aria-label="Main">
        <Link href="/" className="nav-brand">
          <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="7" className="brand-fill" />
            <path d="M6 12c4-5 7 3 11-1s5-3 9 1M6 21c4-5 7 3 11-1s5-3 9 1" className="brand-line" />
          </svg>
          <span>Runnel</span>
        </Link>
        <ul>
          {places.map((place) => {
            const is_here = place.to === "/" ? location === "/" : location.startsWith(place.to) || location === place.also;
            return (
              <li key={place.to}>
                <Link href={place.to} className={`nav-item${is_here ? " here" : ""}`} aria-current={is_here ? "page" : undefined} title={place.label}>
                  <Icon name={place.icon} size={16} />
                  <span>{place.label}</span>
                </Link>
              </li>
            );
          })}
        </ul>
        <div className="nav-foot">
          <Menu className="plain nav-user" icon="user" label={<span>{session.user}</span>}>
            <MenuLabel>
              {session.user}, {session.role}
            </MenuLabel>
            <MenuLine />
            <MenuChoice
              label="Theme"
              value={theme}
              options={[
                { value: "system", label: "As the system" },
                { value: "light", label: "Light" },
                { value: "dark", label: "Dark" },
                { value: "contrast", label: "High contrast" },
              ]}
              onChange={(value) => prefer({ theme: value as Theme })}
            />
            <MenuLine />
            <MenuChoice
              label="Times"
              value={utc ? "utc" : "local"}
              options={[
                { value: "local", label: "Local" },
                { value: "utc", label: "UTC" },
              ]}
              onChange={(value) => prefer({ utc: value === "utc" })}
            />
            <MenuLine />
            <MenuItem onSelect={() => navigate("/tokens")}>API tokens</MenuItem>
            <MenuItem onSelect={() => logout.mutate()}>Log out</MenuItem>
            <MenuLine />
            <MenuLabel>Hub {session.hub_version}</MenuLabel>
          </Menu>
        </div>
      </nav>
      <div className="content">
        <AwayBanner />
        {children}
      </div>
    </div>
  );
}

/** Says that what is shown is old, since when, and that nothing has to be done. */
export function AwayBanner() {
  const { away_since_ms } = useSyncExternalStore(onLinkChange, linkState);
  useNow();
  if (away_since_ms === null) return null;
  return (
    <div className="away" role="alert">
      <Icon name="offline" size={15} />
      <span>
        The hub does not answer. What is shown is from before; this page goes on by itself when the hub is back.
      </span>
      <span className="away-age" aria-hidden="true">
        for {duration(Math.floor((Date.now() - away_since_ms) / 1000) * 1000)}
      </span>
    </div>
  );
}
