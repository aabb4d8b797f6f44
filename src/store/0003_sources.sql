-- Other databases, and commands that answer like one, that watches ask. The password stands in a
-- column of its own, which only a login reads; dsn never holds it.
CREATE TABLE source(
  name TEXT NOT NULL PRIMARY KEY CHECK(name <> ''),
  engine TEXT NOT NULL CHECK(engine IN('sqlite', 'postgres', 'mysql', 'exec')),
  dsn TEXT NOT NULL,
  password_from TEXT NOT NULL DEFAULT 'none' CHECK(password_from IN('none', 'stored', 'file', 'env')),
  password_place TEXT, password TEXT,
  writable INT NOT NULL DEFAULT 0 CHECK(writable IN(0, 1)),
  pool_max INT NOT NULL DEFAULT 4 CHECK(pool_max BETWEEN 1 AND 1000),
  acquire_ms INT NOT NULL DEFAULT 5000 CHECK(acquire_ms > 0),
  idle_ms INT NOT NULL DEFAULT 60000 CHECK(idle_ms > 0),
  lifetime_ms INT NOT NULL DEFAULT 1800000 CHECK(lifetime_ms > 0),
  ping_idle_ms INT NOT NULL DEFAULT 30000 CHECK(ping_idle_ms >= 0),
  version INT NOT NULL DEFAULT 1, created_at INT NOT NULL, changed_at INT NOT NULL,
  CHECK((password_from IN('file', 'env')) = (password_place IS NOT NULL)),
  CHECK((password_from = 'stored') = (password IS NOT NULL)));
