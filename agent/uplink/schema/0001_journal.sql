-- The journal of the line to the hub: what the hub asked for, and what it has not been told yet.

-- Each operation that a hub sent, once. A NULL acknowledgement: it was begun and did not end.
CREATE TABLE operation (
  number INTEGER PRIMARY KEY,              -- in the order of arrival
  identifier TEXT NOT NULL UNIQUE,         -- the hub's
  received_at_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL CHECK (attempts >= 1),
  acknowledgement TEXT,                    -- JSON, as it is sent
  describes INTEGER NOT NULL DEFAULT 0 CHECK (describes IN (0, 1)),  -- sent with a whole heartbeat and the manifest
  is_delivered INTEGER NOT NULL DEFAULT 0 CHECK (is_delivered IN (0, 1))
) STRICT;

-- Acknowledgements to send, in order.
CREATE INDEX operation_waiting ON operation (number) WHERE is_delivered = 0 AND acknowledgement IS NOT NULL;

-- Small values by name: what became of the flow that the hub sent last.
CREATE TABLE fact (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
