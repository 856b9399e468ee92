// Events as a short list, newest first.

import { Link } from "wouter";
import type { FleetEvent } from "../api/types";
import * as status from "../text/status";
import { linked } from "../text/linked";
import { Icon } from "./icon";
import { Empty } from "./states";
import { Ago } from "./time";

export function EventFeed({ events }: { events: FleetEvent[] }) {
  if (events.length === 0) return <Empty title="Nothing has happened yet" />;
  return (
    <ul className="feed">
      {events.map((event) => {
        const severity = status.said(status.severity, event.severity);
        return (
          <li key={event.id}>
            <span className="muted">
              <Ago ms={event.time_ms} />
            </span>
            <span className={`tone-${severity.tone}`} title={severity.word}>
              <Icon name={severity.icon} />
              <span className="hidden-visually">{severity.word}</span>
            </span>
            <p>
              <EventText event={event} />
            </p>
          </li>
        );
      })}
    </ul>
  );
}

/** The message, with its agent and its flow as links where it names them. */
function EventText({ event }: { event: FleetEvent }) {
  return (
    <>
      {linked(event).map((part, index) => (part.to === null ? part.text : (
        <Link key={index} href={part.to}>
          {part.text}
        </Link>
      )))}
    </>
  );
}
