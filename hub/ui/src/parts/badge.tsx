// A state, said with icon, word and tone; its reason on hover and for screen readers.

import type { Said } from "../text/status";
import { Icon } from "./icon";

export function Badge({ said, reason, quiet }: { said: Said; reason?: string | null | undefined; quiet?: boolean }) {
  return (
    <span className={`badge tone-${said.tone}${quiet ? " quiet" : ""}`} title={[said.meaning, reason].filter(Boolean).join(" — ") || undefined}>
      <Icon name={said.icon} size={13} />
      {said.word}
    </span>
  );
}
