-- Generated from 0001_journal.sql; edit none of them, add one. This is the schema to read.

CREATE TABLE fact (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE operation (
  number INTEGER PRIMARY KEY,              -- in the order of arrival
  identifier TEXT NOT NULL UNIQUE,         -- the hub's
  received_at_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL CHECK (attempts >= 1),
  acknowledgement TEXT,                    -- JSON, as it is sent
  describes INTEGER NOT NULL DEFAULT 0 CHECK (describes IN (0, 1)),  -- sent with a whole heartbeat and the manifest
  is_delivered INTEGER NOT NULL DEFAULT 0 CHECK (is_delivered IN (0, 1))
) STRICT;

CREATE INDEX operation_waiting ON operation (number) WHERE is_delivered = 0 AND acknowledgement IS NOT NULL;
