-- Generated from 0001_hub.sql, 0002_run_state.sql; edit none of them, add one. This is the schema to read.

CREATE TABLE agents (
  id            TEXT    NOT NULL PRIMARY KEY,
  class         TEXT    NOT NULL,
  registered_ms INTEGER NOT NULL,
  seen_ms       INTEGER NOT NULL,
  facts         TEXT    NOT NULL                -- JSON, hub/fleet/agent_facts.cc: what a restart must not forget
) STRICT, WITHOUT ROWID;

CREATE TABLE classes (
  name          TEXT    NOT NULL PRIMARY KEY,
  created_ms    INTEGER NOT NULL,
  flow          TEXT,                           -- NULL: nothing is deployed
  version       INTEGER,
  author        TEXT,
  deployed_ms   INTEGER,
  run_state     TEXT    NOT NULL DEFAULT 'unset' CHECK (run_state IN ('unset', 'running', 'stopped')), run_asked_ms INTEGER, run_author   TEXT,
  FOREIGN KEY (flow, version) REFERENCES flow_versions (flow, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE deployments (                      -- every deployment there was
  id            INTEGER NOT NULL PRIMARY KEY,
  class         TEXT    NOT NULL,
  flow          TEXT    NOT NULL,
  version       INTEGER NOT NULL,
  author        TEXT    NOT NULL,
  deployed_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX deployments_class ON deployments (class, id);

CREATE TABLE events (
  id            INTEGER NOT NULL PRIMARY KEY,
  time_ms       INTEGER NOT NULL,
  kind          TEXT    NOT NULL,
  severity      TEXT    NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
  actor         TEXT,
  agent         TEXT,
  class         TEXT,
  flow          TEXT,
  version       INTEGER,
  message       TEXT    NOT NULL
) STRICT;

CREATE TABLE flow_versions (
  flow          TEXT    NOT NULL,
  version       INTEGER NOT NULL CHECK (version > 0),
  id            TEXT    NOT NULL UNIQUE,        -- what agents call it: UUIDv5 of name@version
  author        TEXT    NOT NULL,
  message       TEXT    NOT NULL,
  created_ms    INTEGER NOT NULL,
  sha256        TEXT    NOT NULL,
  text          TEXT    NOT NULL,
  PRIMARY KEY (flow, version)
) STRICT;

CREATE TABLE manifests (
  hash          TEXT    NOT NULL PRIMARY KEY,   -- the agent's own token
  bundles_hash  TEXT    NOT NULL,               -- equal for agents that can run the same
  json          TEXT    NOT NULL,
  seen_ms       INTEGER NOT NULL
) STRICT;

CREATE TABLE metric_points (
  step_s        INTEGER NOT NULL,               -- 60 or 600
  time_ms       INTEGER NOT NULL,               -- begin of the step
  subject       INTEGER NOT NULL,
  series        BLOB    NOT NULL,               -- float32 each, little-endian, in the order of hub/metrics/series.h; NaN: nothing heard
  PRIMARY KEY (step_s, time_ms, subject)        -- appended to in order of time; a history is one look-up a step
) STRICT, WITHOUT ROWID;

CREATE TABLE metric_subjects (
  id            INTEGER NOT NULL PRIMARY KEY,
  name          TEXT    NOT NULL UNIQUE         -- "fleet", "agent:ID", "flow:NAME"
) STRICT;

CREATE TABLE operations (
  id            TEXT    NOT NULL PRIMARY KEY,
  agent         TEXT    NOT NULL,
  operation     TEXT    NOT NULL,
  operand       TEXT    NOT NULL,
  target        TEXT,
  target_name   TEXT,
  state         TEXT    NOT NULL CHECK (state IN ('queued', 'delivered', 'done', 'failed', 'expired', 'superseded')),
  detail        TEXT,
  author        TEXT    NOT NULL,
  created_ms    INTEGER NOT NULL,
  delivered_ms  INTEGER,
  finished_ms   INTEGER,
  expires_ms    INTEGER NOT NULL
, class TEXT) STRICT;

CREATE INDEX operations_agent ON operations (agent, created_ms);

CREATE INDEX operations_created ON operations (created_ms);

CREATE TABLE sessions (
  token_sha256  TEXT    NOT NULL PRIMARY KEY,   -- of the cookie's value; that itself is kept nowhere
  user          TEXT    NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  created_ms    INTEGER NOT NULL,
  used_ms       INTEGER NOT NULL,
  expires_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_user ON sessions (user);

CREATE TABLE tokens (
  id            TEXT    NOT NULL PRIMARY KEY,
  name          TEXT    NOT NULL,
  user          TEXT    NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  token_sha256  TEXT    NOT NULL UNIQUE,
  created_ms    INTEGER NOT NULL,
  expires_ms    INTEGER,                        -- NULL: never
  used_ms       INTEGER                         -- NULL: not yet
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_user ON tokens (user);

CREATE TABLE users (
  name          TEXT    NOT NULL PRIMARY KEY,
  role          TEXT    NOT NULL CHECK (role IN ('administrator', 'operator', 'viewer')),
  password_hash TEXT    NOT NULL,               -- Argon2id, encoded
  created_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
