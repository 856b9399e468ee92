-- The agent's ledger: what is queued, the processors' state, provenance. Written by agent/runtime/ledger_writer.cc alone.

CREATE TABLE meta(
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The connections that have been known here; `flow` names the flow whose connection it was when it was parked.
CREATE TABLE queue(
  key       INTEGER PRIMARY KEY,
  id        TEXT NOT NULL UNIQUE,
  name      TEXT NOT NULL,
  parked_of TEXT
) STRICT;

-- One row for the FlowFiles of one connection that one write took; queue 0: none, the row carries effects only.
-- The columns' bytes are described in agent/runtime/batch_codec.h. `body` comes last, so that heads are read without it.
CREATE TABLE batch(
  id      INTEGER PRIMARY KEY,
  queue   INTEGER NOT NULL,
  head    BLOB NOT NULL,
  effects BLOB NOT NULL,
  body    BLOB NOT NULL
) STRICT;

CREATE TABLE state(
  processor TEXT NOT NULL,
  name      TEXT NOT NULL,
  value     BLOB NOT NULL,
  PRIMARY KEY(processor, name)
) STRICT, WITHOUT ROWID;

-- See agent/runtime/provenance_log.h.
CREATE TABLE provenance(
  id           INTEGER PRIMARY KEY,
  bytes_before INTEGER NOT NULL,
  body_bytes   INTEGER NOT NULL,
  last_ms      INTEGER NOT NULL,
  is_tail      INTEGER NOT NULL CHECK(is_tail IN (0, 1)),
  head         BLOB NOT NULL,
  body         BLOB NOT NULL
) STRICT;
