-- Times are Unix milliseconds. Nothing that can be computed is stored.
-- Triggers keep to SQL that any client library of the last ten years can run.

CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE queue(
  name TEXT PRIMARY KEY, rank INT NOT NULL UNIQUE,
  slots INT, reserved INT NOT NULL DEFAULT 0,
  paused_at INT, paused_by TEXT);
INSERT INTO queue(name, rank, reserved) VALUES('high', 0, 1), ('normal', 1, 0), ('low', 2, 1);

CREATE TABLE job(
  name TEXT PRIMARY KEY,
  spec TEXT NOT NULL,
  queue TEXT NOT NULL DEFAULT 'normal',
  priority INT NOT NULL DEFAULT 5 CHECK(priority BETWEEN 0 AND 9),
  overlap TEXT NOT NULL DEFAULT 'skip' CHECK(overlap IN('skip', 'queue', 'replace', 'allow')),
  max_parallel INT CHECK(max_parallel IS NULL OR max_parallel > 0),
  queue_max INT NOT NULL DEFAULT 100,
  timeout_ms INT, silence_ms INT,
  kill_grace_ms INT NOT NULL DEFAULT 10000,
  start_deadline_ms INT,
  retry INT NOT NULL DEFAULT 0,
  backoff TEXT NOT NULL DEFAULT 'exp:10s..1h',
  on_lost TEXT NOT NULL DEFAULT 'fail' CHECK(on_lost IN('fail', 'retry')),
  catch_up TEXT NOT NULL DEFAULT 'last' CHECK(catch_up IN('none', 'last', 'all')),
  catch_up_window_ms INT,
  catch_up_max INT NOT NULL DEFAULT 100,
  listed INT NOT NULL DEFAULT 1 CHECK(listed IN(0, 1)),
  version INT NOT NULL DEFAULT 1,
  created_at INT NOT NULL, updated_at INT NOT NULL);

-- One row is one version: a changed schedule is a new row, so that a fire always names the
-- definition that planned it, and the past can be computed again.
CREATE TABLE schedule(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL, expr TEXT NOT NULL, zone TEXT,
  dst TEXT NOT NULL DEFAULT 'vixie' CHECK(dst IN('vixie', 'skip', 'both', 'utc')),
  anchor INT,
  calendar INT REFERENCES calendar(id), shift TEXT CHECK(shift IS NULL OR shift IN('next', 'previous')),
  jitter_ms INT NOT NULL DEFAULT 0 CHECK(jitter_ms >= 0),
  start_at INT, end_at INT, max_fires INT CHECK(max_fires IS NULL OR max_fires > 0),
  seed INT NOT NULL DEFAULT 0,
  from_at INT NOT NULL, until_at INT,
  done INT NOT NULL DEFAULT 0 CHECK(done IN(0, 1)),
  error TEXT);
CREATE INDEX schedule_job ON schedule(job, id);

-- One row is one version here as well.
CREATE TABLE calendar(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL, spec TEXT NOT NULL, source TEXT,
  from_at INT NOT NULL, until_at INT);
CREATE UNIQUE INDEX calendar_name ON calendar(name) WHERE until_at IS NULL;

-- Rows decided while the wall clock stood in the future, taken out when it was set back.
CREATE TABLE fire_undone(
  schedule INT NOT NULL, planned_at INT NOT NULL, verdict TEXT NOT NULL, run INT,
  decided_at INT NOT NULL, undone_at INT NOT NULL);

-- The only place of the next instant not yet decided; 0 means still to be planned.
CREATE TABLE due(next_at INT NOT NULL, schedule INT NOT NULL, PRIMARY KEY(next_at, schedule)) WITHOUT ROWID;
CREATE UNIQUE INDEX due_schedule ON due(schedule);

CREATE TABLE pause(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL, from_at INT NOT NULL, until_at INT,
  paused_by TEXT NOT NULL, reason TEXT);
CREATE INDEX pause_job ON pause(job, from_at);

-- The ledger: one row for each planned instant. A row stands for more than one instant (count,
-- until_at) only where a long gap was folded.
CREATE TABLE fire(
  schedule INT NOT NULL, planned_at INT NOT NULL,
  verdict TEXT NOT NULL CHECK(verdict IN
    ('run', 'coalesced', 'missed', 'overlap', 'calendar', 'paused', 'expired', 'error')),
  run INT, blocked_by INT,
  late_ms INT NOT NULL,
  reason TEXT CHECK(reason IS NULL OR reason IN
    ('host_off', 'asleep', 'daemon_down', 'clock_step', 'overload')),
  note TEXT,
  decided_at INT NOT NULL,
  count INT NOT NULL DEFAULT 1, until_at INT NOT NULL,
  acked_at INT, acked_by TEXT, ack_note TEXT,
  CHECK(verdict <> 'missed' OR reason IS NOT NULL),
  PRIMARY KEY(schedule, planned_at)) WITHOUT ROWID;
CREATE INDEX fire_when ON fire(planned_at);
CREATE INDEX fire_missed ON fire(planned_at) WHERE verdict = 'missed';

CREATE TABLE run(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL,
  args TEXT, env TEXT,
  state TEXT NOT NULL DEFAULT 'queued' CHECK(state IN
    ('queued', 'running', 'succeeded', 'failed', 'signaled', 'timed_out', 'killed', 'cancelled',
     'expired', 'lost', 'interrupted', 'unspawnable')),
  queue TEXT, priority INT, run_at INT, deadline_at INT,
  unique_key TEXT,
  origin TEXT NOT NULL DEFAULT 'sql' CHECK(origin IN
    ('schedule', 'catch_up', 'manual', 'enqueue', 'retry', 'boot', 'sql', 'run', 'watch')),
  origin_ref TEXT, requested_by TEXT,
  schedule INT, planned_at INT,
  accepted INT NOT NULL DEFAULT 0,
  attempt INT NOT NULL DEFAULT 0, max_attempts INT, fence INT NOT NULL DEFAULT 0,
  cancel_at INT, cancelled_by TEXT,
  queued_at INT, started_at INT, ended_at INT,
  exit_code INT, signal INT, reason TEXT,
  CONSTRAINT "args and env are text" CHECK(typeof(args) IN('null', 'text') AND typeof(env) IN('null', 'text')),
  CONSTRAINT "priority is 0 to 9" CHECK(typeof(priority) IN('null', 'integer') AND priority BETWEEN 0 AND 9),
  CONSTRAINT "max_attempts is 1 to 1000000" CHECK(typeof(max_attempts) IN('null', 'integer')
    AND max_attempts BETWEEN 1 AND 1000000),
  CONSTRAINT "times are Unix milliseconds" CHECK(typeof(run_at) IN('null', 'integer')
    AND typeof(deadline_at) IN('null', 'integer') AND typeof(queued_at) IN('null', 'integer')
    AND typeof(planned_at) IN('null', 'integer') AND typeof(cancel_at) IN('null', 'integer')),
  CHECK((state IN('queued', 'running')) = (ended_at IS NULL)));
CREATE INDEX run_new ON run(id) WHERE accepted = 0;
CREATE INDEX run_claim ON run(queue, priority, run_at, id) WHERE state = 'queued';
CREATE INDEX run_later ON run(run_at) WHERE state = 'queued';
CREATE INDEX run_live ON run(id) WHERE state = 'running';
CREATE INDEX run_cancel ON run(id) WHERE cancel_at IS NOT NULL AND state IN('queued', 'running');
CREATE INDEX run_job ON run(job, id);
CREATE INDEX run_fire ON run(schedule, planned_at) WHERE schedule IS NOT NULL;
CREATE UNIQUE INDEX run_unique ON run(unique_key)
  WHERE unique_key IS NOT NULL AND state IN('queued', 'running');

CREATE TABLE attempt(
  run INT NOT NULL, n INT NOT NULL, fence INT NOT NULL,
  boot_id TEXT, slot INT, pid INT,
  claimed_at INT NOT NULL, started_at INT, ended_at INT,
  outcome TEXT, exit_code INT, signal INT, reason TEXT,
  cpu_ms INT, max_rss INT, out_bytes INT, out_dropped INT, out_path TEXT,
  PRIMARY KEY(run, n)) WITHOUT ROWID;
CREATE UNIQUE INDEX attempt_fence ON attempt(fence);

CREATE TABLE output(run INT NOT NULL, attempt INT NOT NULL, data BLOB NOT NULL, PRIMARY KEY(run, attempt));

CREATE TABLE gap(from_at INT NOT NULL, until_at INT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY(from_at, until_at)) WITHOUT ROWID;

CREATE TABLE event(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INT NOT NULL, level TEXT NOT NULL CHECK(level IN('info', 'warn', 'error')),
  kind TEXT NOT NULL, job TEXT, run INT, text TEXT NOT NULL);

-- Who changed which definition when; what it was is kept whole, so that it can be brought back.
CREATE TABLE history(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INT NOT NULL, changed_by TEXT NOT NULL, job TEXT NOT NULL, what TEXT NOT NULL,
  version INT NOT NULL, definition TEXT);
CREATE INDEX history_job ON history(job, id);

-- Each start of the daemon.
CREATE TABLE session(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pid INT NOT NULL, boot_id TEXT NOT NULL, version TEXT NOT NULL,
  started_at INT NOT NULL, alive_at INT NOT NULL, stopped_at INT);

-- What the daemon has still to look at; filled by triggers, emptied by the daemon.
CREATE TABLE change(seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT);

CREATE TRIGGER schedule_added AFTER INSERT ON schedule BEGIN
  INSERT INTO due(next_at, schedule) VALUES(0, NEW.id);
  INSERT INTO change(job) VALUES(NEW.job);
END;
CREATE TRIGGER schedule_fixed BEFORE UPDATE OF expr, zone, dst, anchor, calendar, shift, start_at,
  end_at, max_fires, seed ON schedule
WHEN OLD.expr IS NOT NEW.expr OR OLD.zone IS NOT NEW.zone OR OLD.dst IS NOT NEW.dst
  OR OLD.anchor IS NOT NEW.anchor OR OLD.calendar IS NOT NEW.calendar OR OLD.shift IS NOT NEW.shift
  OR OLD.start_at IS NOT NEW.start_at OR OLD.end_at IS NOT NEW.end_at
  OR OLD.max_fires IS NOT NEW.max_fires OR OLD.seed IS NOT NEW.seed BEGIN
  SELECT RAISE(ABORT, 'a schedule is never changed in place: end it (until_at) and insert another');
END;
CREATE TRIGGER schedule_ended AFTER UPDATE OF until_at, job ON schedule BEGIN
  INSERT INTO change(job) VALUES(NEW.job);
END;
CREATE TRIGGER job_added AFTER INSERT ON job BEGIN INSERT INTO change(job) VALUES(NEW.name); END;
CREATE TRIGGER job_changed AFTER UPDATE ON job BEGIN INSERT INTO change(job) VALUES(NEW.name); END;
CREATE TRIGGER job_removed AFTER DELETE ON job BEGIN INSERT INTO change(job) VALUES(OLD.name); END;
CREATE TRIGGER pause_added AFTER INSERT ON pause BEGIN INSERT INTO change(job) VALUES(NEW.job); END;
CREATE TRIGGER pause_changed AFTER UPDATE ON pause BEGIN INSERT INTO change(job) VALUES(NEW.job); END;
CREATE TRIGGER queue_added AFTER INSERT ON queue BEGIN INSERT INTO change(job) VALUES(NULL); END;
CREATE TRIGGER queue_changed AFTER UPDATE ON queue BEGIN INSERT INTO change(job) VALUES(NULL); END;
CREATE TRIGGER queue_removed AFTER DELETE ON queue BEGIN INSERT INTO change(job) VALUES(NULL); END;
CREATE TRIGGER queue_in_use BEFORE DELETE ON queue
WHEN EXISTS(SELECT 1 FROM job WHERE queue = OLD.name)
  OR EXISTS(SELECT 1 FROM run WHERE queue = OLD.name AND state = 'queued')
  OR EXISTS(SELECT 1 FROM run WHERE queue = OLD.name AND state = 'running') BEGIN
  SELECT RAISE(ABORT, 'the queue is in use');
END;
CREATE TRIGGER queue_named BEFORE UPDATE OF name ON queue WHEN OLD.name IS NOT NEW.name BEGIN
  SELECT RAISE(ABORT, 'a queue keeps its name: insert another');
END;
CREATE TRIGGER run_moved BEFORE UPDATE OF queue ON run
WHEN NOT EXISTS(SELECT 1 FROM queue WHERE name = NEW.queue) BEGIN
  SELECT RAISE(ABORT, 'no such queue');
END;

-- INSERT INTO run(job) VALUES('hello') is all a client has to say.
CREATE TRIGGER run_known BEFORE INSERT ON run
WHEN NEW.origin = 'sql' AND NOT EXISTS(SELECT 1 FROM job WHERE name = NEW.job) BEGIN
  SELECT RAISE(ABORT, 'no such job');
END;
CREATE TRIGGER run_queue BEFORE INSERT ON run
WHEN NEW.origin = 'sql' AND NEW.queue IS NOT NULL
  AND NOT EXISTS(SELECT 1 FROM queue WHERE name = NEW.queue) BEGIN
  SELECT RAISE(ABORT, 'no such queue');
END;
CREATE TRIGGER run_fresh BEFORE INSERT ON run
WHEN NEW.origin = 'sql' AND NEW.state <> 'queued' BEGIN
  SELECT RAISE(ABORT, 'a new run is queued');
END;
CREATE TRIGGER run_defaults AFTER INSERT ON run WHEN NEW.accepted = 0 BEGIN
  UPDATE run SET
    queue = coalesce(NEW.queue, (SELECT queue FROM job WHERE name = NEW.job), 'normal'),
    priority = coalesce(NEW.priority, (SELECT priority FROM job WHERE name = NEW.job), 5),
    queued_at = coalesce(NEW.queued_at, CAST((julianday('now') - 2440587.5) * 86400000.0 AS INT)),
    run_at = coalesce(NEW.run_at, CAST((julianday('now') - 2440587.5) * 86400000.0 AS INT)),
    max_attempts = coalesce(NEW.max_attempts, (SELECT retry + 1 FROM job WHERE name = NEW.job), 1)
  WHERE id = NEW.id;
END;

CREATE VIEW v_running AS
  SELECT r.id AS run, r.job, r.attempt, a.pid, a.slot AS worker,
    strftime('%Y-%m-%dT%H:%M:%SZ', r.started_at / 1000, 'unixepoch') AS started_at, r.origin
  FROM run r LEFT JOIN attempt a ON a.run = r.id AND a.n = r.attempt WHERE r.state = 'running';
CREATE VIEW v_queue AS
  SELECT r.queue, q.rank, r.priority, r.id AS run, r.job,
    strftime('%Y-%m-%dT%H:%M:%SZ', r.run_at / 1000, 'unixepoch') AS run_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', r.queued_at / 1000, 'unixepoch') AS queued_at
  FROM run r LEFT JOIN queue q ON q.name = r.queue WHERE r.state = 'queued';
CREATE VIEW v_next AS
  SELECT s.job, s.expr, s.zone,
    CASE d.next_at WHEN 0 THEN NULL
      ELSE strftime('%Y-%m-%dT%H:%M:%SZ', d.next_at / 1000, 'unixepoch') END AS next_at
  FROM due d JOIN schedule s ON s.id = d.schedule;
CREATE VIEW v_missed AS
  SELECT s.job, s.expr, f.reason, f.run, f.count,
    strftime('%Y-%m-%dT%H:%M:%SZ', f.planned_at / 1000, 'unixepoch') AS planned_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', f.acked_at / 1000, 'unixepoch') AS acked_at
  FROM fire f JOIN schedule s ON s.id = f.schedule WHERE f.verdict = 'missed';
CREATE VIEW v_history AS
  SELECT r.id AS run, r.job, r.state, r.exit_code, r.signal, r.attempt, r.origin, r.reason,
    strftime('%Y-%m-%dT%H:%M:%SZ', r.planned_at / 1000, 'unixepoch') AS planned_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', r.started_at / 1000, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', r.ended_at / 1000, 'unixepoch') AS ended_at,
    r.ended_at - r.started_at AS took_ms
  FROM run r;
