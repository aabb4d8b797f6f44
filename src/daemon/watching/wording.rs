//! What a poll asks: statement and values, with those that the statement has names for.

use serde_json::{Map, Value};

use crate::daemon::poller::Wording;
use crate::engine::watch::{Asked, Shape, statement};
use crate::model::{Cell, Mode, PollId, PollLog, SourceEngine, Watch};
use crate::schedule::UnixMs;
use crate::source::{self, names_of};
use crate::store::{Question, WatchRow};

/// What a poll asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Worded {
    /// A statement that claims rows before the query.
    pub claim: Option<Wording>,
    /// The query.
    pub query: Wording,
    /// Whether it only tells where the cursor begins.
    pub only_begins: bool,
    /// Whether the query changes something.
    pub write: bool,
    /// Whether it is to be read which transactions are under way.
    pub transactions: bool,
}

/// Words a poll. Gives what is kept of it as well.
pub fn word_poll(
    row: &WatchRow,
    engine: SourceEngine,
    poll: PollId,
    now: UnixMs,
) -> (Question, source::Result<Worded>) {
    let watch = &row.watch;
    let worded = worded(row, engine, poll, now);
    let (sql, params) = match &worded {
        Ok(worded) => (worded.query.sql.clone(), bound(watch, worded)),
        Err(_) => (watch.query.clone(), None),
    };
    let question = Question {
        query: (watch.log != PollLog::Off).then_some(sql),
        params: params.filter(|_| matches!(watch.log, PollLog::Params | PollLog::Rows)),
        cursor: row.memory.cursor.as_deref().map(cursor_text),
    };
    (question, worded)
}

fn worded(
    row: &WatchRow,
    engine: SourceEngine,
    poll: PollId,
    now: UnixMs,
) -> source::Result<Worded> {
    let watch = &row.watch;
    let names = names_of(engine, &watch.query)?;
    let asked = Asked {
        poll,
        now,
        last_ok: row.last_ok,
        shape: Shape::of(engine),
        names: &names,
    };
    let statement = statement(watch, &row.memory, &asked);
    let claim = watch.claim.as_ref().filter(|_| watch.mode == Mode::Consume);
    let claim = claim.map(|sql| wording(engine, sql, &statement.params));
    let query = wording(engine, &statement.sql, &statement.params)?;
    Ok(Worded {
        claim: claim.transpose()?,
        query,
        only_begins: statement.only_begins,
        write: watch.mode == Mode::Consume && !only_reads(&watch.query),
        transactions: watch.mode == Mode::Cursor && engine == SourceEngine::Postgres,
    })
}

/// A statement with those values that it has names for; a command gets all of them.
///
/// # Errors
/// A text without end, a second statement.
pub fn wording(
    engine: SourceEngine,
    sql: &str,
    params: &[(String, Cell)],
) -> source::Result<Wording> {
    let names = names_of(engine, sql)?;
    let wanted = |(name, _): &&(String, Cell)| {
        engine == SourceEngine::Exec || names.iter().any(|n| n == name)
    };
    Ok(Wording {
        sql: sql.to_owned(),
        params: params.iter().filter(wanted).cloned().collect(),
    })
}

/// Whether a query of mode `consume` takes rows only by being acknowledged.
pub fn only_reads(query: &str) -> bool {
    let word = query.trim_start().get(..6).unwrap_or_default();
    word.eq_ignore_ascii_case("select")
}

/// The values a poll is asked with, by name, as JSON.
fn bound(watch: &Watch, worded: &Worded) -> Option<String> {
    let claim = worded.claim.iter().flat_map(|claim| &claim.params);
    let all: Map<String, Value> = claim
        .chain(&worded.query.params)
        .map(|(name, cell)| match watch.redacts(name) {
            true => (name.clone(), Value::from("***")),
            false => (name.clone(), cell.to_json()),
        })
        .collect();
    Some(Value::Object(all).to_string())
}

/// A cursor as people see it: its value, or an array where there are several.
pub fn cursor_text(cells: &[Cell]) -> String {
    match cells {
        [one] => one.to_json().to_string(),
        many => Value::Array(many.iter().map(Cell::to_json).collect()).to_string(),
    }
}
