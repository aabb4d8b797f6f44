-- Output of jobs kept from a crontab, on its way to the local mail program. A row is made in the
-- transaction that records the end of an attempt, and stays until it is known what became of it.
CREATE TABLE mail(
  run INT NOT NULL, attempt INT NOT NULL, made_at INT NOT NULL,
  -- Set before the mail program is started: what was begun is never begun again.
  begun_at INT,
  PRIMARY KEY(run, attempt)) WITHOUT ROWID;
