//! Crontabs that jobs were imported from, and changes of them that were begun.

use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};

use crate::model::{Job, Pause};
use crate::schedule::UnixMs;
use crate::store::changes::insert_pause;
use crate::store::error::json;
use crate::store::jobs::{end_pauses, job_row, keep, put_job};
use crate::store::{NewSchedule, Result, Store, StoreError};

/// A crontab as it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrontabRow {
    /// Its path, or what else names it.
    pub source: String,
    /// Whose table it is.
    pub owner: String,
    /// The cron that reads it.
    pub dialect: String,
    /// Its form.
    pub format: String,
    /// The zone it was imported with, where one was named.
    pub zone: Option<String>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When it was read.
    pub read_at: UnixMs,
    /// The lines that made jobs, with the ids of their entries.
    pub entries: Vec<(usize, String)>,
    /// Whether its jobs wait for the cutover.
    pub observed: bool,
    /// A change of the file that was begun and not yet settled.
    pub intent: Option<Intent>,
}

/// A change of a crontab that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The jobs take over from the file; otherwise the file takes over from the jobs.
    pub cutover: bool,
    /// What the file holds once the change is made.
    pub wanted: Vec<u8>,
    /// The minute from which on it counts.
    pub at: UnixMs,
    /// The jobs it is about.
    pub jobs: Vec<String>,
    /// Where the backup lies.
    pub backup: String,
}

/// A job to be written by an import.
#[derive(Clone, Debug)]
pub struct JobWrite {
    /// The job; its version is that it takes the place of, 0 for a new one.
    pub job: Job,
    /// Its schedules.
    pub schedules: Vec<NewSchedule>,
    /// The pause it begins with, or whether one is ended.
    pub pause: Option<Pause>,
    /// Whether its pauses end.
    pub resume: bool,
}

/// A version of a table that `crontab` installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrontabVersion {
    /// Its number.
    pub id: i64,
    /// When it was installed.
    pub at: UnixMs,
    /// By whom.
    pub by: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The table was removed; the bytes are empty.
    pub removed: bool,
}

/// Versions of a table that are kept.
const VERSIONS: i64 = 20;

const COLUMNS: &str =
    "source, owner, dialect, format, zone, bytes, read_at, entries, observed, intent, wanted,
  takeover_at, jobs, backup";

impl Store {
    /// Writes what an import found: the table and its jobs, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::ChangedMeanwhile`], and those of [`Store::put_job`].
    pub fn write_import(
        &mut self,
        table: &CrontabRow,
        jobs: &[JobWrite],
        by: &str,
        now: UnixMs,
    ) -> Result<()> {
        self.write(|tx| {
            put_crontab(tx, table)?;
            for write in jobs {
                write_job(tx, write, by, now)?;
            }
            Ok(())
        })
    }

    /// A table that was imported.
    ///
    /// # Errors
    /// Those of reading.
    pub fn crontab(&self, source: &str) -> Result<Option<CrontabRow>> {
        let sql = format!("SELECT {COLUMNS} FROM crontab WHERE source = ?1");
        Ok(self.conn.query_row(&sql, [source], read).optional()?)
    }

    /// All tables that were imported.
    ///
    /// # Errors
    /// Those of reading.
    pub fn crontabs(&self) -> Result<Vec<CrontabRow>> {
        let sql = format!("SELECT {COLUMNS} FROM crontab ORDER BY source");
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The tables of which a change was begun.
    ///
    /// # Errors
    /// Those of reading.
    pub fn begun_crontabs(&self) -> Result<Vec<CrontabRow>> {
        let sql = format!("SELECT {COLUMNS} FROM crontab WHERE intent IS NOT NULL ORDER BY source");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Notes that the file of a table is about to be changed.
    ///
    /// # Errors
    /// Those of writing.
    pub fn begin_crontab(&mut self, source: &str, intent: &Intent) -> Result<()> {
        let jobs = serde_json::to_string(&intent.jobs)
            .map_err(|e| StoreError::Unreadable(e.to_string()))?;
        let word = if intent.cutover {
            "cutover"
        } else {
            "rollback"
        };
        self.write(|tx| {
            tx.execute(
                "UPDATE crontab SET intent = ?2, wanted = ?3, takeover_at = ?4, jobs = ?5, backup = ?6, observed = 1
                 WHERE source = ?1",
                params![source, word, intent.wanted, intent.at, jobs, intent.backup],
            )?;
            Ok(())
        })
    }

    /// Ends a change of a file that was begun. Where it was made, the jobs take over, or give back,
    /// from its minute on; where not, everything stays as it was. Says whether there was one.
    ///
    /// # Errors
    /// Those of writing.
    pub fn settle_crontab(
        &mut self,
        source: &str,
        made: bool,
        pause: &Pause,
        by: &str,
    ) -> Result<bool> {
        self.write(|tx| {
            let sql = format!("SELECT {COLUMNS} FROM crontab WHERE source = ?1");
            let row = tx.query_row(&sql, [source], read).optional()?;
            let Some((row, intent)) = row.and_then(|row| row.intent.clone().map(|i| (row, i)))
            else {
                return Ok(false);
            };
            let bytes = if made { &intent.wanted } else { &row.bytes };
            tx.execute(
                "UPDATE crontab SET intent = NULL, wanted = NULL, takeover_at = NULL, jobs = NULL,
                   backup = NULL, bytes = ?2 WHERE source = ?1",
                params![source, bytes],
            )?;
            for name in intent.jobs.iter().filter(|_| made) {
                let Some(job) = job_row(tx, name)? else {
                    continue;
                };
                let from = Pause {
                    from: intent.at,
                    ..pause.clone()
                };
                tx.execute(
                    "UPDATE pause SET until_at = ?2 WHERE job = ?1 AND paused_by = ?3
                       AND (until_at IS NULL OR until_at > ?2)",
                    params![name, intent.at, pause.by],
                )?;
                // Somebody else's pause goes on, and covers it as well.
                let paused = job
                    .job
                    .pauses
                    .iter()
                    .any(|p| p.by != pause.by && p.until.is_none());
                if !intent.cutover && !paused {
                    insert_pause(tx, name, &from)?;
                }
                let what = if intent.cutover {
                    "taken over"
                } else {
                    "given back"
                };
                keep(tx, &job.job, &job.schedules, what, by, pause.from)?;
            }
            Ok(true)
        })
    }

    /// Keeps a version of a table that `crontab` installs; none for one that is removed.
    ///
    /// # Errors
    /// Those of writing.
    pub fn keep_crontab_version(
        &mut self,
        source: &str,
        bytes: Option<&[u8]>,
        by: &str,
        now: UnixMs,
    ) -> Result<()> {
        self.write(|tx| {
            tx.execute(
                "INSERT INTO crontab_version(source, at, by, bytes, removed) VALUES(?1, ?2, ?3, ?4, ?5)",
                params![source, now, by, bytes.unwrap_or_default(), bytes.is_none()],
            )?;
            tx.execute(
                "DELETE FROM crontab_version WHERE source = ?1 AND id NOT IN
                   (SELECT id FROM crontab_version WHERE source = ?1 ORDER BY id DESC LIMIT ?2)",
                params![source, VERSIONS],
            )?;
            Ok(())
        })
    }

    /// The versions of a table that are kept, the newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn crontab_versions(&self, source: &str) -> Result<Vec<CrontabVersion>> {
        let mut statement = self.conn.prepare(
            "SELECT id, at, by, bytes, removed FROM crontab_version WHERE source = ?1 ORDER BY id DESC",
        )?;
        let rows = statement.query_map([source], |row| {
            Ok(CrontabVersion {
                id: row.get(0)?,
                at: row.get(1)?,
                by: row.get(2)?,
                bytes: row.get(3)?,
                removed: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn put_crontab(tx: &Transaction<'_>, table: &CrontabRow) -> Result<()> {
    let entries =
        serde_json::to_string(&table.entries).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    tx.execute(
        "INSERT INTO crontab(source, owner, dialect, format, zone, bytes, read_at, entries, observed)
         VALUES(:source, :owner, :dialect, :format, :zone, :bytes, :read_at, :entries, :observed)
         ON CONFLICT(source) DO UPDATE SET owner = excluded.owner, dialect = excluded.dialect,
           format = excluded.format, zone = excluded.zone, bytes = excluded.bytes,
           read_at = excluded.read_at, entries = excluded.entries, observed = excluded.observed",
        named_params! {
            ":source": table.source,
            ":owner": table.owner,
            ":dialect": table.dialect,
            ":format": table.format,
            ":zone": table.zone,
            ":bytes": table.bytes,
            ":read_at": table.read_at,
            ":entries": entries,
            ":observed": table.observed,
        },
    )?;
    Ok(())
}

fn write_job(tx: &Transaction<'_>, write: &JobWrite, by: &str, now: UnixMs) -> Result<()> {
    let name = &write.job.name;
    let old = job_row(tx, name)?;
    match (&old, write.job.version) {
        (Some(_), 0) => return Err(StoreError::NameTaken(name.clone())),
        (Some(old), version) if old.job.version != version => {
            return Err(StoreError::ChangedMeanwhile(name.clone()));
        }
        (None, version) if version > 0 => return Err(StoreError::NoSuchJob(name.clone())),
        _ => {}
    }
    put_job(tx, &write.job, &write.schedules, old.is_some(), by, now)?;
    if write.resume {
        end_pauses(tx, name, now)?;
    }
    match &write.pause {
        Some(pause) => insert_pause(tx, name, pause),
        None => Ok(()),
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<CrontabRow> {
    let word: Option<String> = row.get("intent")?;
    let intent = match word {
        None => None,
        Some(word) => {
            let jobs: Option<String> = row.get("jobs")?;
            let jobs = jobs.and_then(|text| serde_json::from_str(&text).ok());
            Some(Intent {
                cutover: word == "cutover",
                wanted: row.get::<_, Option<Vec<u8>>>("wanted")?.unwrap_or_default(),
                at: row
                    .get::<_, Option<i64>>("takeover_at")?
                    .unwrap_or_default(),
                jobs: jobs.unwrap_or_default(),
                backup: row.get::<_, Option<String>>("backup")?.unwrap_or_default(),
            })
        }
    };
    Ok(CrontabRow {
        source: row.get("source")?,
        owner: row.get("owner")?,
        dialect: row.get("dialect")?,
        format: row.get("format")?,
        zone: row.get("zone")?,
        bytes: row.get("bytes")?,
        read_at: row.get("read_at")?,
        entries: json(row, "entries")?,
        observed: row.get("observed")?,
        intent,
    })
}
