// The head of a page: where it is, its name, how old its data are, what can be done.

import { useEffect, useRef, type ReactNode } from "react";
import { Link } from "wouter";
import { AsOf } from "./time";

let has_shown_page = false;

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
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = `${title} · Runnel`;
  }, [title]);
  useEffect(() => {
    // The link that led here went away with its page: the keyboard goes on from the top of this one.
    if (has_shown_page && document.activeElement === document.body) main.current?.focus({ preventScroll: true });
    has_shown_page = true;
  }, []);
  return (
    <main ref={main} className={`page${props.fill ? " fill" : ""}`} id="main" tabIndex={-1}>
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
