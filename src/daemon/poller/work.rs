//! What a thread of a poller does for one poll or one act.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::daemon::poller::hooks;
use crate::daemon::poller::message::{Act, Acted, Answered, Ask, Wording};
use crate::model::{Cell, Secret, Source, SourceEngine};
use crate::source::{
    Answer, Checkout, Connection, ErrorKind, Pool, Query, SourceError, Ticks, read_password,
};

type Borrowed = Checkout<Box<dyn Connection>>;

/// The longest message of an error that is told, characters.
const TOLD: usize = 4_000;

/// Where PostgreSQL tells which transactions are under way: since version 13, and before.
const SNAPSHOTS: [[&str; 2]; 2] = [
    [
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
    ],
    [
        "SELECT txid_snapshot_xmin(txid_current_snapshot())::bigint",
        "SELECT txid_snapshot_xmax(txid_current_snapshot())::bigint",
    ],
];

/// What the threads of a poller work with.
pub(in crate::daemon::poller) struct Bench {
    pub source: Source,
    pub secret: Option<Secret>,
    pub pool: Pool<Box<dyn Connection>>,
    pub ticks: Ticks,
    /// Which of [`SNAPSHOTS`] the server has; beyond them, none.
    pub snapshots: AtomicU8,
}

/// When something came and how long it may take.
#[derive(Clone, Copy)]
struct Budget {
    began: i64,
    limit_ms: i64,
}

/// Makes a poll that came at `began`. Never panics.
pub(in crate::daemon::poller) fn poll(
    bench: &Arc<Bench>,
    ask: &Ask,
    began: i64,
) -> (Vec<Vec<Cell>>, Answered) {
    let mut said = Answered {
        poll: ask.poll.0,
        ..Answered::default()
    };
    let asked = catch_unwind(AssertUnwindSafe(|| {
        hooks::panic(&ask.watch);
        bench.poll(ask, began, &mut said)
    }));
    let rows = match asked.unwrap_or_else(|_| Err(failed())) {
        Ok(answer) => {
            said.columns = answer.rows.columns;
            said.truncated = answer.rows.truncated;
            said.affected = answer.affected;
            answer.rows.rows
        }
        Err(error) => {
            said.error = Some(bench.shown(error));
            Vec::new()
        }
    };
    (rows, said)
}

/// Carries out an act that came at `began`. Never panics.
pub(in crate::daemon::poller) fn act(bench: &Arc<Bench>, act: &Act, began: i64) -> Acted {
    let mut acted = Acted {
        id: act.id,
        ..Acted::default()
    };
    let done = catch_unwind(AssertUnwindSafe(|| bench.act(act, began, &mut acted)));
    let error = done.unwrap_or_else(|_| Err(failed())).err();
    acted.error = error.map(|e| bench.shown(e));
    acted.took_ms = (bench.ticks)() - began;
    acted
}

fn failed() -> SourceError {
    SourceError::new(ErrorKind::Gone, "the driver failed")
}

impl Bench {
    fn poll(&self, ask: &Ask, began: i64, said: &mut Answered) -> Result<Answer, SourceError> {
        let budget = Budget {
            began,
            limit_ms: ask.timeout_ms,
        };
        let first = ask.claim.as_ref().unwrap_or(&ask.query);
        let writes = ask.write || ask.claim.is_some();
        let mut borrowed = self.borrow(&ask.watch, &first.sql, budget, writes)?;
        let reused = borrowed.is_reused();
        said.wait_ms = (self.ticks)() - began;
        let mut asked = self.ask_on(&mut borrowed, ask, budget, said);
        let gone = |asked: &Result<Answer, SourceError>| matches!(asked, Err(e) if e.kind == ErrorKind::Gone);
        if gone(&asked) && reused && !writes {
            // The server was most likely restarted, and the other connections are broken as well.
            drop(borrowed);
            self.pool.close_idle();
            borrowed = self.borrow(&ask.watch, &first.sql, budget, false)?;
            asked = self.ask_on(&mut borrowed, ask, budget, said);
        }
        said.took_ms = (self.ticks)() - began - said.wait_ms;
        hooks::leak(&ask.watch, borrowed);
        asked.map_err(|e| whole_limit(e, ask.timeout_ms))
    }

    /// Takes a connection. One for a statement that must not be repeated is tried first if it was
    /// used before, since afterwards it could not be replaced.
    fn borrow(
        &self,
        watch: &str,
        sql: &str,
        budget: Budget,
        writes: bool,
    ) -> Result<Borrowed, SourceError> {
        let mut borrowed = self.pool.checkout(watch, sql, budget.limit_ms)?;
        let tried = writes && borrowed.is_reused() && self.source.engine != SourceEngine::Exec;
        if tried {
            let mut query = Query::new("SELECT 1", watch);
            query.timeout_ms = self.left(budget)?;
            match borrowed.query(&query) {
                Ok(_) => {}
                Err(e) if e.kind == ErrorKind::Gone => {
                    drop(borrowed);
                    self.pool.close_idle();
                    borrowed = self.pool.checkout(watch, sql, budget.limit_ms)?;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(borrowed)
    }

    fn ask_on(
        &self,
        borrowed: &mut Borrowed,
        ask: &Ask,
        budget: Budget,
        said: &mut Answered,
    ) -> Result<Answer, SourceError> {
        let query = |wording: &Wording, write| -> Result<Query, SourceError> {
            Ok(Query {
                sql: wording.sql.clone(),
                params: wording.params.clone(),
                owner: ask.watch.clone(),
                timeout_ms: self.left(budget)?,
                max_rows: ask.max_rows,
                max_bytes: ask.max_bytes,
                write,
            })
        };
        if let Some(claim) = &ask.claim {
            let claimed = borrowed.query(&query(claim, true)?)?;
            said.claimed = Some(claimed.affected);
        }
        // Both readings are transactions of their own, so that the first sees no more than the
        // query does, and the last no less.
        let oldest = match ask.transactions {
            true => self.oldest(borrowed, ask, budget)?,
            false => None,
        };
        let answer = borrowed.query(&query(&ask.query, ask.write)?)?;
        said.connection.clone_from(&answer.connection);
        if let Some(oldest) = oldest {
            // Without it rows of transactions under way could be taken for seen: better no answer.
            let next = self.snapshot(borrowed, ask, budget, 1)?;
            said.transactions = Some((oldest, next));
        }
        Ok(answer)
    }

    /// The oldest transaction under way; nothing where the server does not tell.
    fn oldest(
        &self,
        borrowed: &mut Borrowed,
        ask: &Ask,
        budget: Budget,
    ) -> Result<Option<i64>, SourceError> {
        if self.source.engine != SourceEngine::Postgres {
            return Ok(None);
        }
        while usize::from(self.snapshots.load(Ordering::Relaxed)) < SNAPSHOTS.len() {
            match self.snapshot(borrowed, ask, budget, 0) {
                Ok(oldest) => return Ok(Some(oldest)),
                // It has no such function; another server would not get one meanwhile either.
                Err(e) if e.kind == ErrorKind::Sql => {
                    self.snapshots.fetch_add(1, Ordering::Relaxed);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    fn snapshot(
        &self,
        borrowed: &mut Borrowed,
        ask: &Ask,
        budget: Budget,
        which: usize,
    ) -> Result<i64, SourceError> {
        let form = usize::from(self.snapshots.load(Ordering::Relaxed));
        let sql = SNAPSHOTS.get(form).map_or("", |pair| pair[which]);
        let mut query = Query::new(sql, &ask.watch);
        query.timeout_ms = self.left(budget)?;
        let answer = borrowed.query(&query)?;
        match answer.rows.rows.first().and_then(|row| row.first()) {
            Some(Cell::Int(value)) => Ok(*value),
            _ => Err(SourceError::new(
                ErrorKind::Sql,
                "the server did not tell which transactions are under way",
            )),
        }
    }

    fn act(&self, act: &Act, began: i64, acted: &mut Acted) -> Result<(), SourceError> {
        let budget = Budget {
            began,
            limit_ms: act.timeout_ms,
        };
        let mut borrowed = self.borrow(&act.watch, &act.sql, budget, true)?;
        for params in &act.params {
            let query = Query {
                sql: act.sql.clone(),
                params: params.clone(),
                timeout_ms: self.left(budget)?,
                write: true,
                ..Query::new("", &act.watch)
            };
            acted.affected.push(borrowed.query(&query)?.affected);
        }
        Ok(())
    }

    /// What is left of the time, milliseconds.
    fn left(&self, budget: Budget) -> Result<i64, SourceError> {
        let left = budget.limit_ms - ((self.ticks)() - budget.began);
        if left > 0 {
            return Ok(left);
        }
        Err(out_of_time(budget.limit_ms))
    }

    /// An error as it may be told: not too long, and without the password, which a command could
    /// have printed.
    fn shown(&self, mut error: SourceError) -> SourceError {
        if let Some((cut, _)) = error.message.char_indices().nth(TOLD) {
            error.message.truncate(cut);
            error.message.push('…');
        }
        let secret = read_password(&self.source, self.secret.clone());
        if let Ok(Some(secret)) = secret
            && !secret.expose().is_empty()
        {
            error.message = error.message.replace(secret.expose(), "***");
        }
        error
    }
}

/// Of the time limit a part was over when the query began; what is told is the limit that was set.
fn whole_limit(error: SourceError, limit_ms: i64) -> SourceError {
    if error.kind != ErrorKind::Timeout {
        return error;
    }
    let message = format!("the query was stopped after its time limit of {limit_ms} ms");
    SourceError { message, ..error }
}

/// The time was over before the query had begun, or without anybody who could end it.
pub(in crate::daemon::poller) fn out_of_time(limit_ms: i64) -> SourceError {
    SourceError::new(
        ErrorKind::Timeout,
        format!("there was no answer within the time limit of {limit_ms} ms"),
    )
}
