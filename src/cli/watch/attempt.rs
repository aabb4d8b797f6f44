//! One question of a watch, asked from here: the same statement and the same judgement as a poll's,
//! over a connection that only reads, with an end after its time limit.

use std::collections::HashSet;

use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::source;
use crate::clock::Clock;
use crate::engine::watch::{
    Against, Asked, Delivery, Digest, Found, Fresh, Shape, Statement, Unusable, deliveries, digest,
    keys_of, statement,
};
use crate::model::{Cell, PollId, Rows, Source, SourceEngine, Watch};
use crate::source::{
    Answer, ErrorKind, Query, SourceError, names_of, open, read_password, run_bounded,
};
use crate::store::{Store, WatchRow};

/// What came of a question.
#[derive(Debug, Default)]
pub struct Tried {
    /// What was asked, with the values it has names for.
    pub statement: Asking,
    /// The columns.
    pub columns: Vec<String>,
    /// How many rows came.
    pub rows: usize,
    /// Whether there were more.
    pub truncated: bool,
    /// Rows that would be delivered.
    pub fresh: Vec<Fresh>,
    /// The runs that would be made.
    pub deliveries: Vec<Delivery>,
    /// Where the cursor would be then, as JSON.
    pub cursor_after: Value,
    /// How long it took to reach the source, milliseconds.
    pub connect_ms: i64,
    /// How long the query took, milliseconds.
    pub took_ms: i64,
    /// What is worth saying besides.
    pub note: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it went wrong because the query writes.
    pub would_write: bool,
}

/// A statement as it was asked.
#[derive(Debug, Default)]
pub struct Asking {
    /// Its text.
    pub sql: String,
    /// The values bound to its names.
    pub params: Vec<(String, Cell)>,
    /// Whether it only tells where the cursor begins.
    pub only_begins: bool,
}

/// Asks. What goes wrong at the source is part of what came of it.
///
/// # Errors
/// No such source, and those of reading the store.
pub fn attempt(ctx: &Context, store: Store, row: &WatchRow) -> Result<Tried, CliError> {
    let found = source::find(&store, &row.watch.source)?;
    let stored = store.source_password(&found.name)?;
    let mut tried = Tried::default();
    let asked = match asking(ctx, row, found.engine) {
        Ok(asked) => asked,
        Err(e) => return Ok(failed(tried, e)),
    };
    tried.statement = Asking {
        sql: asked.sql.clone(),
        params: asked.params.clone(),
        only_begins: asked.only_begins,
    };
    let began = ctx.clock.now().mono;
    // Even where watches may write, a test may not.
    let reader = Source {
        writable: false,
        ..found
    };
    let connected = read_password(&reader, stored)
        .and_then(|secret| open(&reader, secret.as_ref(), &row.watch.name));
    let connection = match connected {
        Ok(connection) => connection,
        Err(e) => return Ok(failed(tried, e)),
    };
    let there = ctx.clock.now().mono;
    tried.connect_ms = there - began;
    let (_, answer) = run_bounded(connection, &query(&row.watch, asked));
    tried.took_ms = ctx.clock.now().mono - there;
    match answer {
        Ok(answer) => judged(&store, row, tried, answer),
        Err(e) => Ok(failed(tried, e)),
    }
}

fn asking(ctx: &Context, row: &WatchRow, engine: SourceEngine) -> Result<Statement, SourceError> {
    let names = names_of(engine, &row.watch.query)?;
    let mut statement = statement(
        &row.watch,
        &row.memory,
        &Asked {
            poll: PollId(0),
            now: ctx.now(),
            last_ok: row.last_ok,
            shape: Shape::of(engine),
            names: &names,
        },
    );
    if engine != SourceEngine::Exec {
        let names = names_of(engine, &statement.sql)?;
        statement.params.retain(|(name, _)| names.contains(name));
    }
    Ok(statement)
}

fn query(watch: &Watch, asked: Statement) -> Query {
    Query {
        params: asked.params,
        timeout_ms: watch.timeout_ms,
        max_rows: watch.max_rows as usize,
        ..Query::new(asked.sql, &watch.name)
    }
}

fn failed(tried: Tried, error: SourceError) -> Tried {
    Tried {
        would_write: error.kind == ErrorKind::ReadOnly,
        error: Some(format!("{}: {error}", error.kind.as_str())),
        hint: error.hint,
        ..tried
    }
}

fn judged(
    store: &Store,
    row: &WatchRow,
    mut tried: Tried,
    answer: Answer,
) -> Result<Tried, CliError> {
    let rows = answer.rows;
    tried.rows = rows.rows.len();
    tried.truncated = rows.truncated;
    tried.columns.clone_from(&rows.columns);
    match digested(store, row, &rows, tried.statement.only_begins)? {
        Ok(digest) => {
            let cursor = row.memory.cursor.as_deref();
            tried.deliveries = deliveries(
                &row.watch,
                &Found {
                    poll: PollId(0),
                    columns: &rows.columns,
                    fresh: &digest.fresh,
                    cursor,
                },
            );
            tried.cursor_after = match digest.memory.cursor.as_deref() {
                None => Value::Null,
                Some([one]) => one.to_json(),
                Some(many) => many.iter().map(Cell::to_json).collect(),
            };
            tried.fresh = digest.fresh;
            tried.note = digest.note;
        }
        Err(unusable) => tried.error = Some(unusable.to_string()),
    }
    Ok(tried)
}

fn digested(
    store: &Store,
    row: &WatchRow,
    rows: &Rows,
    only_begins: bool,
) -> Result<Result<Digest, Unusable>, CliError> {
    let keys = match keys_of(&row.watch, rows) {
        Ok(keys) => keys,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let seen: HashSet<String> = store.seen_among(&row.watch.name, &keys)?;
    Ok(digest(
        &row.watch,
        rows,
        &Against {
            poll: PollId(0),
            memory: &row.memory,
            seen: &seen,
            transactions: None,
            only_begins,
        },
    ))
}
