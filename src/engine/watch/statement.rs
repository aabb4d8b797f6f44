//! The statement of a poll and the values bound to its names.

use chrono::DateTime;

use crate::engine::watch::order::{before, compare_keys};
use crate::model::{Cell, Floor, Initial, Memory, Mode, PollId, SourceEngine, Watch};
use crate::schedule::UnixMs;

/// What a source's engine needs a statement to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What names are put between; nothing where statements are no SQL and are never changed.
    pub quote: Option<char>,
    /// Whether instants are written with `T` and `Z`; otherwise with a space and nothing, in UTC.
    pub zulu: bool,
}

impl Shape {
    /// What an engine needs.
    pub fn of(engine: SourceEngine) -> Shape {
        let (quote, zulu) = match engine {
            // SQLite's own functions write instants with a space, and compare them as text.
            SourceEngine::Sqlite => (Some('"'), false),
            SourceEngine::Postgres => (Some('"'), true),
            SourceEngine::Mysql => (Some('`'), false),
            SourceEngine::Exec => (None, true),
        };
        Shape { quote, zulu }
    }
}

/// What is known when a poll begins.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The poll.
    pub poll: PollId,
    /// Now, Unix milliseconds.
    pub now: UnixMs,
    /// When the last poll that went well began.
    pub last_ok: Option<UnixMs>,
    /// The engine.
    pub shape: Shape,
    /// The names the query has, without their colons.
    pub names: &'a [String],
}

/// A statement to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its text.
    pub sql: String,
    /// Values by name. There may be more than the text has.
    pub params: Vec<(String, Cell)>,
    /// Whether it only tells where the cursor begins.
    pub only_begins: bool,
}

/// The statement of the next poll.
pub fn statement(watch: &Watch, memory: &Memory, asked: &Asked<'_>) -> Statement {
    let cursor = bound(watch, memory);
    let mut params = watch.params.clone();
    params.extend(builtins(watch, cursor.as_deref(), asked));
    let own = |n: &String| n == "cursor" || n.starts_with("cursor_");
    let wraps = watch.mode == Mode::Cursor && !asked.names.iter().any(own);
    let (Some(quote), true) = (asked.shape.quote, wraps) else {
        let sql = watch.query.clone();
        let only_begins = false;
        return Statement {
            sql,
            params,
            only_begins,
        };
    };
    let begins = !memory.begun && watch.initial == Initial::Now;
    Statement {
        sql: wrapped(watch, cursor.is_some(), begins, quote),
        params,
        only_begins: begins,
    }
}

/// The key after which rows are looked for.
fn bound(watch: &Watch, memory: &Memory) -> Option<Vec<Cell>> {
    let begin = match (&watch.initial, memory.begun) {
        (Initial::Value(cells), false) => Some(cells.clone()),
        _ => None,
    };
    if let Some(page) = &memory.page {
        return Some(page.after.clone());
    }
    let cursor = memory.cursor.clone().or(begin)?;
    if !memory.begun {
        return Some(cursor);
    }
    let mut back = cursor;
    if let Some(first) = back.first_mut() {
        *first = before(first, watch.lookback_ids, watch.lookback_ms);
    }
    let back = match &memory.floor {
        Some(Floor::Start) => return memory.began.clone(),
        Some(Floor::At(floor)) if compare_keys(floor, &back).is_lt() => floor.clone(),
        _ => back,
    };
    let too_far = |began: &&Vec<Cell>| compare_keys(&back, began).is_lt();
    Some(
        memory
            .began
            .as_ref()
            .filter(too_far)
            .unwrap_or(&back)
            .clone(),
    )
}

fn builtins(watch: &Watch, cursor: Option<&[Cell]>, asked: &Asked<'_>) -> Vec<(String, Cell)> {
    let at = |ms: UnixMs| Cell::Text(instant(ms, asked.shape.zulu));
    let mut values = vec![
        ("now".to_owned(), at(asked.now)),
        ("now_ms".to_owned(), Cell::Int(asked.now)),
        ("last_ok".to_owned(), asked.last_ok.map_or(Cell::Null, at)),
        ("poll_id".to_owned(), Cell::Int(asked.poll.0)),
        ("watch".to_owned(), Cell::Text(watch.name.clone())),
        ("limit".to_owned(), Cell::Int(i64::from(watch.max_rows))),
        (
            "claim".to_owned(),
            Cell::Text(format!("{}:{}", watch.name, asked.poll)),
        ),
        (
            "visible_before".to_owned(),
            at(asked.now.saturating_sub(watch.visibility_ms)),
        ),
        (
            "visible_before_ms".to_owned(),
            Cell::Int(asked.now.saturating_sub(watch.visibility_ms)),
        ),
    ];
    let value = |n: usize| cursor.and_then(|c| c.get(n)).cloned().unwrap_or(Cell::Null);
    values.push(("cursor".to_owned(), value(0)));
    for (n, column) in watch.key.iter().enumerate() {
        values.push((format!("cursor_{column}"), value(n)));
    }
    // What somebody bound to such a name himself stands.
    values.retain(|(name, _)| !watch.params.iter().any(|(own, _)| own == name));
    values
}

/// The names a query may have without any value being given for them.
pub fn builtin_names(watch: &Watch) -> Vec<String> {
    let plain = Watch {
        params: Vec::new(),
        ..watch.clone()
    };
    let asked = Asked {
        poll: PollId(0),
        now: 0,
        last_ok: None,
        shape: Shape {
            quote: None,
            zulu: true,
        },
        names: &[],
    };
    let values = builtins(&plain, None, &asked);
    values.into_iter().map(|(name, _)| name).collect()
}

fn instant(ms: UnixMs, zulu: bool) -> String {
    let form = if zulu {
        "%Y-%m-%dT%H:%M:%S%.3fZ"
    } else {
        "%Y-%m-%d %H:%M:%S%.3f"
    };
    DateTime::from_timestamp_millis(ms)
        .map(|t| t.format(form).to_string())
        .unwrap_or_default()
}

/// The query as a table of which the rows after the cursor are taken, in the order of the key.
fn wrapped(watch: &Watch, after: bool, begins: bool, quote: char) -> String {
    let query = watch.query.trim_end().trim_end_matches(';');
    let columns: Vec<String> = watch.key.iter().map(|c| quoted(c, quote)).collect();
    // A line comment at the end of the query must not swallow what follows.
    let mut sql = if begins {
        format!("SELECT {} FROM (\n{query}\n) crake_q", columns.join(", "))
    } else {
        format!("SELECT * FROM (\n{query}\n) crake_q")
    };
    if after {
        sql.push_str(&format!(" WHERE {}", later(&watch.key, &columns)));
    }
    let down = if begins { " DESC" } else { "" };
    let order: Vec<String> = columns.iter().map(|c| format!("{c}{down}")).collect();
    let count = if begins { "1" } else { ":limit" };
    sql.push_str(&format!(" ORDER BY {} LIMIT {count}", order.join(", ")));
    sql
}

/// `a > :cursor_a OR (a = :cursor_a AND (b > :cursor_b))`: rows that come after in the order of
/// several columns, in words that every engine knows and answers from an index.
fn later(names: &[String], columns: &[String]) -> String {
    let mut text = String::new();
    for (n, (name, column)) in names.iter().zip(columns).enumerate() {
        let last = n + 1 == names.len();
        let own = if names.len() == 1 {
            ":cursor".to_owned()
        } else {
            format!(":cursor_{name}")
        };
        text.push_str(&format!("{column} > {own}"));
        if !last {
            text.push_str(&format!(" OR ({column} = {own} AND ("));
        }
    }
    text.push_str(&"))".repeat(names.len().saturating_sub(1)));
    text
}

/// A name that needs it is put between quotes; one that does not is left alone, because engines
/// disagree on the case of quoted names.
fn quoted(name: &str, quote: char) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        return name.to_owned();
    }
    let inside = name.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{inside}{quote}")
}
