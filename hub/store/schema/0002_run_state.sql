-- A class that is stopped stays so, also for agents that come later: when that was asked, and by whom.

ALTER TABLE classes ADD COLUMN run_asked_ms INTEGER;     -- NULL: never
ALTER TABLE classes ADD COLUMN run_author   TEXT;
-- Until now it was carried out once and kept for nothing: an upgrade must not carry it out again.
UPDATE classes SET run_state = 'unset';

ALTER TABLE operations ADD COLUMN class TEXT;            -- NULL: asked of this agent alone
