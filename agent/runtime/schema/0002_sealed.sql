-- Rows from this one on have sums over what they hold (agent/runtime/batch_codec.h); those before it need not.
-- A program that does not know of them refuses the database.

INSERT INTO meta(name, value) SELECT 'sealed_from', coalesce(max(id), 0) + 1 FROM batch;
