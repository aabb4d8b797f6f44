//! How the connections to sources stand, as the process that holds them says.

use rusqlite::params;

use crate::schedule::UnixMs;
use crate::store::{Result, Store};

/// How the connections to one source stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGauge {
    /// The source.
    pub source: String,
    /// When that was said.
    pub at: UnixMs,
    /// The figures of the pool, JSON.
    pub pool: String,
    /// Whether every channel that is to be listened to is.
    pub listening: bool,
    /// Since when one is not.
    pub lost_at: Option<UnixMs>,
    /// Since when nothing is heard of the process.
    pub silent_since: Option<UnixMs>,
    /// The process.
    pub pid: Option<i32>,
}

impl Store {
    /// Says how the connections to a source stand.
    ///
    /// # Errors
    /// Those of writing.
    pub fn put_gauge(&mut self, gauge: &NewGauge) -> Result<()> {
        self.write(|tx| {
            tx.prepare_cached(
                "INSERT INTO gauge(source, at, pool, listening, lost_at, silent_since, pid)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(source) DO UPDATE SET
                   at = excluded.at, pool = excluded.pool, listening = excluded.listening,
                   lost_at = excluded.lost_at, silent_since = excluded.silent_since, pid = excluded.pid",
            )?
            .execute(params![
                gauge.source,
                gauge.at,
                gauge.pool,
                gauge.listening,
                gauge.lost_at,
                gauge.silent_since,
                gauge.pid
            ])?;
            Ok(())
        })
    }

    /// Nobody holds connections to these sources any more, or to any but these.
    ///
    /// # Errors
    /// Those of writing.
    pub fn keep_gauges(&mut self, of: &[String]) -> Result<()> {
        let of = serde_json::Value::from(of).to_string();
        self.write(|tx| {
            tx.prepare_cached(
                "DELETE FROM gauge WHERE source NOT IN(SELECT value FROM json_each(?1))",
            )?
            .execute([of])?;
            Ok(())
        })
    }
}
