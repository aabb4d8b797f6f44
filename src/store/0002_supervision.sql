-- What is acknowledged of a run that ended badly, so that it is no longer shown as new: who said so,
-- what they said, and until when it holds.
CREATE TABLE ack(
  run INTEGER PRIMARY KEY, at INT NOT NULL, acked_by TEXT NOT NULL, note TEXT, until_at INT);

-- Why we ended an attempt, where we did.
ALTER TABLE attempt ADD COLUMN stop TEXT;

-- The waiting runs of one job; how many of them there are.
CREATE INDEX run_wait ON run(queue, job, priority, run_at, id) WHERE state = 'queued';

-- Waiting runs whose place somebody changed, for the daemon, which may have them in memory.
CREATE TABLE run_changed(run INTEGER PRIMARY KEY);
CREATE TRIGGER run_reordered AFTER UPDATE OF priority, run_at, queue ON run
WHEN OLD.state = 'queued' AND NEW.state = 'queued' AND OLD.queue IS NOT NULL
  AND OLD.priority IS NOT NULL AND OLD.run_at IS NOT NULL
  AND (OLD.priority IS NOT NEW.priority OR OLD.run_at IS NOT NEW.run_at OR OLD.queue IS NOT NEW.queue) BEGIN
  INSERT OR IGNORE INTO run_changed(run) VALUES(NEW.id);
END;

-- Why a queue is paused.
ALTER TABLE queue ADD COLUMN pause_reason TEXT;

-- Which job runs after which: `owner` is the job whose definition says so. Derived from the
-- definitions and written with them, so that the end of a run finds its followers at once.
CREATE TABLE follow(
  upstream TEXT NOT NULL, whence TEXT NOT NULL CHECK(whence IN('success', 'failure')),
  follower TEXT NOT NULL, owner TEXT NOT NULL,
  PRIMARY KEY(upstream, whence, follower, owner)) WITHOUT ROWID;
CREATE INDEX follow_owner ON follow(owner);
CREATE INDEX follow_follower ON follow(follower);
-- Rows that changed, by whomever, since the daemon last wrote them down in its journal. Triggers on
-- every table fill it (store/touched.rs makes them); the daemon empties it.
CREATE TABLE touched(seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, k1, k2);

-- What ended lately, for overviews: the day's totals and the last runs must not read all of them.
CREATE INDEX run_ended ON run(ended_at) WHERE ended_at IS NOT NULL;
