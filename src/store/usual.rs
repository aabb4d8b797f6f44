//! What is usual for a job: how long its last good runs took.

use rusqlite::params;

use crate::model::RunId;
use crate::store::{Result, Store};

/// Good runs looked at.
pub(in crate::store) const RUNS: usize = 20;

/// How long the last good runs of a job took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// How many there are, at most 20.
    pub runs: usize,
    /// Half of them took no longer, milliseconds.
    pub median_ms: i64,
    /// Nineteen of twenty took no longer, milliseconds.
    pub p95_ms: i64,
}

impl Usual {
    /// Of these, in any order.
    pub fn of(mut took: Vec<i64>) -> Option<Usual> {
        took.sort_unstable();
        let rank = (took.len() * 95).div_ceil(100);
        Some(Usual {
            runs: took.len(),
            median_ms: *took.get(took.len() / 2)?,
            p95_ms: *took.get(rank.checked_sub(1)?)?,
        })
    }
}

impl Store {
    /// What is usual for a job, by its last 20 runs that succeeded, of those numbered below
    /// `before` where that is given; nothing where none did.
    ///
    /// # Errors
    /// Those of reading.
    pub fn usual(&self, job: &str, before: Option<RunId>) -> Result<Option<Usual>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT ended_at - started_at FROM run
             WHERE state = 'succeeded' AND job = ?1 AND id < ?2 AND ended_at >= started_at
             ORDER BY id DESC LIMIT ?3",
        )?;
        let before = before.map_or(i64::MAX, |run| run.0);
        let rows = statement.query_map(params![job, before, RUNS as i64], |row| row.get(0))?;
        let took = rows.collect::<rusqlite::Result<Vec<i64>>>()?;
        Ok(Usual::of(took))
    }
}

#[cfg(test)]
mod tests {
    use crate::store::Usual;

    #[test]
    fn the_median_and_the_95th_percentile_are_of_the_runs_there_are() {
        assert_eq!(Usual::of(Vec::new()), None);
        let of = |took: Vec<i64>| Usual::of(took).map(|u| (u.runs, u.median_ms, u.p95_ms));
        assert_eq!(of(vec![7]), Some((1, 7, 7)));
        assert_eq!(of((1..=20).rev().collect()), Some((20, 11, 19)));
    }
}
