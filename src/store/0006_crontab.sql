-- Crontabs that jobs were imported from, byte for byte as they were last read.
CREATE TABLE crontab(
  source TEXT PRIMARY KEY,
  owner TEXT NOT NULL, dialect TEXT NOT NULL, format TEXT NOT NULL, zone TEXT,
  bytes BLOB NOT NULL,
  read_at INT NOT NULL,
  -- The entries that made jobs: [[line, id], ...].
  entries TEXT NOT NULL DEFAULT '[]',
  -- Whether the jobs wait for the cutover: until then cron runs them.
  observed INT NOT NULL DEFAULT 0 CHECK(observed IN(0, 1)),
  -- A change of the file that was begun: what the file is to hold, and from when on it counts.
  -- It is settled by looking at the file, so that whoever dies in between, each entry is live once.
  intent TEXT CHECK(intent IS NULL OR intent IN('cutover', 'rollback')),
  wanted BLOB, takeover_at INT, jobs TEXT, backup TEXT);

-- What `crontab` installed, the newest last.
CREATE TABLE crontab_version(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source TEXT NOT NULL, at INT NOT NULL, by TEXT NOT NULL,
  bytes BLOB NOT NULL, removed INT NOT NULL DEFAULT 0);
CREATE INDEX crontab_version_source ON crontab_version(source, id);
