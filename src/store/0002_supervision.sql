-- What is acknowledged of a run that ended badly, so that it is no longer shown as new: who said so,
-- what they said, and until when it holds.
CREATE TABLE ack(
  run INTEGER PRIMARY KEY, at INT NOT NULL, acked_by TEXT NOT NULL, note TEXT, until_at INT);

-- Why we ended an attempt, where we did.
ALTER TABLE attempt ADD COLUMN stop TEXT;

-- Rows that changed, by whomever, since the daemon last wrote them down in its journal. Triggers on
-- every table fill it (store/touched.rs makes them); the daemon empties it.
CREATE TABLE touched(seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, k1, k2);
