-- Watches and their polls. What a watch remembers (its cursor and the like) is one JSON value, changed
-- in the transaction that records the poll and makes its runs.

CREATE TABLE watch(
  name TEXT PRIMARY KEY,
  source TEXT NOT NULL, job TEXT NOT NULL,
  spec TEXT NOT NULL,
  memory TEXT NOT NULL DEFAULT '{}',
  next_at INT, last_ok INT, asked_at INT,
  paused_at INT, paused_until INT, paused_by TEXT, pause_reason TEXT,
  version INT NOT NULL DEFAULT 1,
  created_at INT NOT NULL, updated_at INT NOT NULL);
CREATE INDEX watch_source ON watch(source);
CREATE INDEX watch_job ON watch(job);

-- A row is written before its query is asked. Equal rows that found nothing are folded later:
-- then it stands for so many (repeats), up to last_at.
CREATE TABLE poll(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  watch TEXT NOT NULL,
  trigger TEXT NOT NULL CHECK(trigger IN('timer', 'notify', 'manual', 'reconnect', 'more')),
  due_at INT NOT NULL, started_at INT NOT NULL,
  took_ms INT, pool_wait_ms INT, connection TEXT,
  query TEXT, params TEXT,
  outcome TEXT NOT NULL DEFAULT 'running' CHECK(outcome IN
    ('running', 'ok', 'empty', 'error', 'timeout', 'no_connection', 'skipped', 'lost')),
  rows INT, fresh_rows INT, runs INT NOT NULL DEFAULT 0,
  cursor_before TEXT, cursor_after TEXT,
  error TEXT, note TEXT,
  fails INT NOT NULL DEFAULT 0,
  delivered TEXT,
  held TEXT,
  repeats INT NOT NULL DEFAULT 1, last_at INT);
CREATE INDEX poll_watch ON poll(watch, id);
CREATE INDEX poll_watch_when ON poll(watch, started_at);
CREATE INDEX poll_running ON poll(watch) WHERE outcome = 'running';
CREATE INDEX poll_held ON poll(watch) WHERE held IS NOT NULL;
CREATE INDEX poll_when ON poll(started_at);

CREATE TABLE seen(
  watch TEXT NOT NULL, key TEXT NOT NULL, poll INT NOT NULL, seen_at INT NOT NULL,
  PRIMARY KEY(watch, key)) WITHOUT ROWID;
CREATE INDEX seen_poll ON seen(watch, poll);

-- Rows of sources that are to be told what became of them: of each its key columns, and the run it
-- was delivered to.
CREATE TABLE owed(
  id INTEGER PRIMARY KEY, watch TEXT NOT NULL, poll INT NOT NULL, run INT NOT NULL,
  key TEXT NOT NULL, at INT NOT NULL);
CREATE INDEX owed_watch ON owed(watch, id);

-- How the connections to a source stand, as the process that holds them last said.
CREATE TABLE gauge(
  source TEXT PRIMARY KEY, at INT NOT NULL, pool TEXT NOT NULL,
  listening INT NOT NULL DEFAULT 0, lost_at INT, silent_since INT, pid INT) WITHOUT ROWID;

-- What a run of a watch reads: small input here, large input in a file.
ALTER TABLE run ADD COLUMN input TEXT;
ALTER TABLE run ADD COLUMN input_path TEXT;
CREATE INDEX run_poll ON run(origin_ref) WHERE origin = 'watch';
CREATE INDEX run_poll_alive ON run(origin_ref) WHERE origin = 'watch' AND state IN('queued', 'running');
CREATE INDEX run_again ON run(origin_ref) WHERE origin = 'retry';
CREATE INDEX run_input ON run(input_path) WHERE input_path IS NOT NULL;

-- The watch an event is about.
ALTER TABLE event ADD COLUMN watch TEXT;
CREATE INDEX event_watch ON event(watch, id) WHERE watch IS NOT NULL;

-- Grows with each change of a watch or a source, so that the daemon sees at a glance that there is one.
INSERT INTO meta(key, value) VALUES('watches', '0');
CREATE TRIGGER watch_added AFTER INSERT ON watch BEGIN
  UPDATE meta SET value = CAST(value AS INT) + 1 WHERE key = 'watches';
END;
CREATE TRIGGER watch_changed AFTER UPDATE OF spec, asked_at, paused_at, paused_until ON watch BEGIN
  UPDATE meta SET value = CAST(value AS INT) + 1 WHERE key = 'watches';
END;
CREATE TRIGGER watch_removed AFTER DELETE ON watch BEGIN
  UPDATE meta SET value = CAST(value AS INT) + 1 WHERE key = 'watches';
  DELETE FROM seen WHERE watch = OLD.name;
  DELETE FROM owed WHERE watch = OLD.name;
END;
CREATE TRIGGER source_in_use BEFORE DELETE ON source
WHEN EXISTS(SELECT 1 FROM watch WHERE source = OLD.name) BEGIN
  SELECT RAISE(ABORT, 'a watch uses the source');
END;
CREATE TRIGGER source_changed AFTER UPDATE ON source BEGIN
  UPDATE meta SET value = CAST(value AS INT) + 1 WHERE key = 'watches';
END;

CREATE VIEW v_watch AS
  SELECT w.name AS watch, w.source, w.job, p.outcome AS last_outcome, p.fails, p.error, p.rows, p.fresh_rows,
    strftime('%Y-%m-%dT%H:%M:%SZ', p.started_at / 1000, 'unixepoch') AS last_poll_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', w.next_at / 1000, 'unixepoch') AS next_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', w.paused_at / 1000, 'unixepoch') AS paused_at
  FROM watch w LEFT JOIN poll p ON p.id = (SELECT max(id) FROM poll WHERE watch = w.name);
CREATE VIEW v_poll AS
  SELECT id AS poll, watch, trigger, outcome, rows, fresh_rows, runs, took_ms, pool_wait_ms, params, error,
    strftime('%Y-%m-%dT%H:%M:%SZ', started_at / 1000, 'unixepoch') AS started_at
  FROM poll;
