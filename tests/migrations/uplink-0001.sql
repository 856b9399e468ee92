PRAGMA application_id=1380863061;
PRAGMA user_version=1;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE fact (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "fact" VALUES('update.flow_id','24310f0b-340f-5e4c-ba33-1e10af5ebbec');
INSERT INTO "fact" VALUES('update.reason','');
INSERT INTO "fact" VALUES('update.state','applied');
CREATE TABLE operation (
  number INTEGER PRIMARY KEY,              -- in the order of arrival
  identifier TEXT NOT NULL UNIQUE,         -- the hub's
  received_at_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL CHECK (attempts >= 1),
  acknowledgement TEXT,                    -- JSON, as it is sent
  describes INTEGER NOT NULL DEFAULT 0 CHECK (describes IN (0, 1)),  -- sent with a whole heartbeat and the manifest
  is_delivered INTEGER NOT NULL DEFAULT 0 CHECK (is_delivered IN (0, 1))
) STRICT;
INSERT INTO "operation" VALUES(1,'46393a2a-dbd4-4c43-bbe1-8bc2318a3088',1795809786936,1,'{"operationId":"46393a2a-dbd4-4c43-bbe1-8bc2318a3088","operationState":{"state":"FULLY_APPLIED","details":"the flow runs"}}',0,1);
INSERT INTO "operation" VALUES(2,'125e36d6-2fdb-4ece-a0ab-86a01e796e4d',1795809792500,1,'{"operationId":"125e36d6-2fdb-4ece-a0ab-86a01e796e4d","operationState":{"state":"FULLY_APPLIED"}}',0,1);
CREATE INDEX operation_waiting ON operation (number) WHERE is_delivered = 0 AND acknowledgement IS NOT NULL;
COMMIT;
