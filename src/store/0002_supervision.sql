-- What is acknowledged of a run that ended badly, so that it is no longer shown as new: who said so,
-- what they said, and until when it holds.
CREATE TABLE ack(
  run INTEGER PRIMARY KEY, at INT NOT NULL, acked_by TEXT NOT NULL, note TEXT, until_at INT);

-- Why we ended an attempt, where we did.
ALTER TABLE attempt ADD COLUMN stop TEXT;

-- What ended lately, for overviews: the day's totals and the last runs must not read all of them.
CREATE INDEX run_ended ON run(ended_at) WHERE ended_at IS NOT NULL;
