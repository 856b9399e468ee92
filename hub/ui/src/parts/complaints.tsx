// What is wrong with a flow, line by line; each line leads to its place in the text.

import type { Complaint } from "../api/types";
import { Icon } from "./icon";

export function Complaints({ complaints, onGo }: { complaints: Complaint[]; onGo?: (complaint: Complaint) => void }) {
  return (
    <ul className="complaints">
      {complaints.map((complaint, index) => (
        <li key={index}>
          <span className="tone-bad">
            <Icon name="cross" />
          </span>
          {complaint.line > 0 && onGo ? (
            <button type="button" className="plain small mono" onClick={() => onGo(complaint)}>
              {complaint.line}:{complaint.column}
            </button>
          ) : (
            complaint.line > 0 && (
              <span className="mono muted">
                {complaint.line}:{complaint.column}
              </span>
            )
          )}
          <span>{complaint.message}</span>
        </li>
      ))}
    </ul>
  );
}
