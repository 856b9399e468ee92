// What a page shows while it has nothing to show: loading, empty, error. Each says what comes next.

import type { ReactNode } from "react";
import { HubAway, HubError } from "../api/client";
import type { Complaint } from "../api/types";
import { Icon } from "./icon";

export function Loading({ what }: { what: string }) {
  return (
    <div className="state" role="status">
      <span className="spinner" aria-hidden="true" />
      <p>Loading {what} …</p>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <h2>{title}</h2>
      {children && <div className="muted">{children}</div>}
    </div>
  );
}

export function Failed({ what, error, retry }: { what: string; error: Error; retry?: () => void }) {
  const is_gone = error instanceof HubError && error.problem.status === 404;
  return (
    <div className="state" role="alert">
      <span className="tone-bad">
        <Icon name="warning" size={22} />
      </span>
      <h2>{is_gone ? `There is no ${what}` : `Could not load ${what}`}</h2>
      {!is_gone && <p className="muted">{error.message}</p>}
      {retry && !is_gone && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
      {error instanceof HubAway && <p className="muted">This page goes on by itself when the hub is back.</p>}
    </div>
  );
}

/** The outcome of something a person asked for. */
export function Notice({ tone, children }: { tone: "ok" | "info" | "warn" | "bad"; children: ReactNode }) {
  const icon = tone === "ok" ? "check" : tone === "info" ? "info" : tone === "warn" ? "warning" : "cross";
  return (
    <div className={`notice tone-${tone}`} role={tone === "bad" ? "alert" : "status"}>
      <Icon name={icon} size={15} />
      <div>{children}</div>
    </div>
  );
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function complaintsOf(error: unknown): Complaint[] {
  return error instanceof HubError ? (error.problem.complaints ?? []) : [];
}
