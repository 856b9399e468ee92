-- Generated from 0001_ledger.sql, 0002_sealed.sql; edit none of them, add one. This is the schema to read.

CREATE TABLE batch(
  id      INTEGER PRIMARY KEY,
  queue   INTEGER NOT NULL,
  head    BLOB NOT NULL,
  effects BLOB NOT NULL,
  body    BLOB NOT NULL
) STRICT;

CREATE TABLE meta(
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE provenance(
  id           INTEGER PRIMARY KEY,
  bytes_before INTEGER NOT NULL,
  body_bytes   INTEGER NOT NULL,
  last_ms      INTEGER NOT NULL,
  is_tail      INTEGER NOT NULL CHECK(is_tail IN (0, 1)),
  head         BLOB NOT NULL,
  body         BLOB NOT NULL
) STRICT;

CREATE TABLE queue(
  key       INTEGER PRIMARY KEY,
  id        TEXT NOT NULL UNIQUE,
  name      TEXT NOT NULL,
  parked_of TEXT
) STRICT;

CREATE TABLE state(
  processor TEXT NOT NULL,
  name      TEXT NOT NULL,
  value     BLOB NOT NULL,
  PRIMARY KEY(processor, name)
) STRICT, WITHOUT ROWID;
