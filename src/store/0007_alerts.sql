-- Who is told of what, what there is to decide on, and what was decided.

-- What stands beside spec in a column is there for the triggers.
CREATE TABLE receiver(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  means TEXT NOT NULL CHECK(means IN('command', 'mail', 'webhook', 'ping')),
  late_ms INT NOT NULL,
  spec TEXT NOT NULL,
  created_at INT NOT NULL, changed_at INT NOT NULL);

-- What happened since the last decision. The triggers write it in the transaction that records what
-- happened; whoever decides takes it out in the transaction that records what was decided.
CREATE TABLE tiding(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK(kind IN('started', 'late', 'ended', 'missed')),
  run INT, schedule INT, planned_at INT);

-- The outbox: one row for each decision and receiver. Rows with the same message are sent together.
CREATE TABLE alert(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  receiver INT NOT NULL, receiver_name TEXT NOT NULL,
  kind TEXT NOT NULL, job TEXT, run INT,
  subject TEXT NOT NULL, text TEXT NOT NULL,
  decided_at INT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending' CHECK(state IN('pending', 'sent', 'failed', 'held', 'dropped')),
  message INT, attempts INT NOT NULL DEFAULT 0,
  next_at INT, trying_at INT, sent_at INT, failed_at INT, last_error TEXT,
  dedupe TEXT NOT NULL UNIQUE,
  CHECK((state IN('pending', 'held')) = (next_at IS NOT NULL)));
CREATE INDEX alert_due ON alert(next_at) WHERE state IN('pending', 'held');
CREATE INDEX alert_receiver ON alert(receiver, id);
CREATE INDEX alert_job ON alert(job, id);
CREATE INDEX alert_sent ON alert(receiver, sent_at) WHERE state = 'sent';
CREATE INDEX alert_failed ON alert(id) WHERE state = 'failed';
CREATE INDEX alert_when ON alert(decided_at);

-- What a receiver was told of a job, and what it still has to be told.
CREATE TABLE told(
  receiver INT NOT NULL, job TEXT NOT NULL, memory TEXT NOT NULL, look_at INT,
  PRIMARY KEY(receiver, job)) WITHOUT ROWID;
CREATE INDEX told_look ON told(look_at) WHERE look_at IS NOT NULL;

CREATE TRIGGER tiding_started AFTER UPDATE OF started_at ON run
WHEN OLD.started_at IS NULL AND NEW.started_at IS NOT NULL
  AND EXISTS(SELECT 1 FROM receiver WHERE means = 'ping') BEGIN
  INSERT INTO tiding(kind, run) VALUES('started', NEW.id);
END;
CREATE TRIGGER tiding_late AFTER UPDATE OF started_at ON run
WHEN OLD.started_at IS NULL AND NEW.started_at IS NOT NULL AND NEW.origin = 'schedule'
  AND NEW.started_at - NEW.planned_at > (SELECT min(late_ms) FROM receiver) BEGIN
  INSERT INTO tiding(kind, run) VALUES('late', NEW.id);
END;
CREATE TRIGGER tiding_ended AFTER UPDATE OF ended_at ON run
WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND EXISTS(SELECT 1 FROM receiver) BEGIN
  INSERT INTO tiding(kind, run) VALUES('ended', NEW.id);
END;
CREATE TRIGGER tiding_missed AFTER INSERT ON fire
WHEN NEW.verdict IN('missed', 'error') AND NEW.run IS NULL AND EXISTS(SELECT 1 FROM receiver) BEGIN
  INSERT INTO tiding(kind, schedule, planned_at) VALUES('missed', NEW.schedule, NEW.planned_at);
END;

CREATE TRIGGER receiver_removed AFTER DELETE ON receiver BEGIN
  DELETE FROM told WHERE receiver = OLD.id;
  UPDATE alert SET state = 'dropped', next_at = NULL, trying_at = NULL,
    last_error = 'the receiver was removed' WHERE receiver = OLD.id AND state IN('pending', 'held');
END;
CREATE TRIGGER told_renamed AFTER UPDATE OF name ON job WHEN OLD.name IS NOT NEW.name BEGIN
  UPDATE OR REPLACE told SET job = NEW.name WHERE job = OLD.name;
  UPDATE alert SET job = NEW.name WHERE job = OLD.name;
END;
CREATE TRIGGER told_removed AFTER DELETE ON job BEGIN
  DELETE FROM told WHERE job = OLD.name;
END;

CREATE VIEW v_alert AS
  SELECT id AS alert, receiver_name AS receiver, kind, job, run, state, attempts, subject, last_error,
    strftime('%Y-%m-%dT%H:%M:%SZ', decided_at / 1000, 'unixepoch') AS decided_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', sent_at / 1000, 'unixepoch') AS sent_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', next_at / 1000, 'unixepoch') AS next_at
  FROM alert;
