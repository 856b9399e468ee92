// The head of a page: where it is, its name, how old its data are, what can be done.

import { useEffect, type ReactNode } from "react";
import { Link } from "wouter";
import { AsOf } from "./time";

export function Page(props: {
  title: string;
  heading?: ReactNode;
  trail?: { label: string; to: string }[];
  as_of_ms?: number | undefined;
  actions?: ReactNode;
  fill?: boolean;
  children: ReactNode;
}) {
  const { title } = props;
  useEffect(() => {
    document.title = `${title} · Runnel`;
  }, [title]);
  return (
    <main className={`page${props.fill ? " fill" : ""}`} id="main" tabIndex={-1}>
      <header className="page-head">
        <div>
          {props.trail && (
            <nav className="trail" aria-label="Where this page is">
              {props.trail.map((step) => (
                <span key={step.to}>
                  <Link href={step.to}>{step.label}</Link> <span aria-hidden="true">/</span>{" "}
                </span>
              ))}
            </nav>
          )}
          <h1>{props.heading ?? title}</h1>
        </div>
        <div className="page-actions">
          <AsOf ms={props.as_of_ms} />
          {props.actions}
        </div>
      </header>
      {props.children}
    </main>
  );
}
