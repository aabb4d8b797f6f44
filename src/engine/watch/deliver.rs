//! The runs that the rows of a poll make, and what each is given.

use serde_json::{Map, Value, json};

use crate::engine::watch::digest::{Change, Fresh};
use crate::engine::watch::key::fingerprint;
use crate::model::{Cell, Deliver, Mode, PollId, Watch};

/// The longest value that is put into the environment, bytes. Linux takes 128 KiB for one string,
/// and all of them together share a limit with the arguments.
pub const ROW_LIMIT: usize = 16 * 1024;

/// How much of a row is put into the environment, bytes; the columns that come first have it.
const ROW_ALL: usize = 256 * 1024;

/// What a poll found, as it is delivered.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The poll.
    pub poll: PollId,
    /// The columns.
    pub columns: &'a [String],
    /// The rows.
    pub fresh: &'a [Fresh],
    /// The cursor before the poll.
    pub cursor: Option<&'a [Cell]>,
}

/// What one run is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Names what is delivered: the same when it has to be delivered again.
    pub id: String,
    /// How many rows.
    pub rows: usize,
    /// What the job reads: one JSON object.
    pub payload: String,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Values for `{column}` among its arguments; only of single rows.
    pub args: Option<String>,
    /// The key columns of each row, by name.
    pub keys: Vec<Vec<(String, Cell)>>,
}

/// The deliveries of a poll, in order. None where nothing was found, unless the watch wants to be told
/// of that as well.
pub fn deliveries(watch: &Watch, found: &Found<'_>) -> Vec<Delivery> {
    if found.fresh.is_empty() {
        let tells = watch.on_empty && watch.mode == Mode::Rows;
        return tells.then(|| one(watch, found, &[])).into_iter().collect();
    }
    let size = match watch.deliver {
        Deliver::Row => 1,
        Deliver::Batch => watch.batch_max.max(1) as usize,
    };
    found
        .fresh
        .chunks(size)
        .map(|rows| one(watch, found, rows))
        .collect()
}

fn one(watch: &Watch, found: &Found<'_>, rows: &[Fresh]) -> Delivery {
    let id = id_of(watch, found, rows);
    let names = distinct(found.columns);
    let mut env = vec![
        ("CRAKE_WATCH".to_owned(), watch.name.clone()),
        ("CRAKE_POLL".to_owned(), found.poll.to_string()),
        ("CRAKE_DELIVERY".to_owned(), id.clone()),
        ("CRAKE_ROWS".to_owned(), rows.len().to_string()),
    ];
    let mut args = None;
    if let (Deliver::Row, [row]) = (watch.deliver, rows) {
        env.extend(row_variables(&names, row));
        args = Some(arguments(&names, row));
    }
    let params: Map<String, Value> = watch
        .params
        .iter()
        .filter(|(name, _)| !watch.redacts(name))
        .map(|(name, cell)| (name.clone(), cell.to_json()))
        .collect();
    let cursor: Option<Vec<Value>> = found.cursor.map(|c| c.iter().map(Cell::to_json).collect());
    let payload = json!({
        "watch": watch.name,
        "poll": found.poll.0,
        "delivery": id,
        "mode": watch.mode.as_str(),
        "params": params,
        "cursor": cursor,
        "rows": rows.iter().map(|row| row_json(watch, &names, row)).collect::<Vec<Value>>(),
    });
    let keys = rows.iter().map(|row| {
        let cells = row.key_cells.iter().cloned();
        watch.key.iter().cloned().zip(cells).collect()
    });
    Delivery {
        rows: rows.len(),
        payload: payload.to_string(),
        env,
        args,
        keys: keys.collect(),
        id,
    }
}

fn id_of(watch: &Watch, found: &Found<'_>, rows: &[Fresh]) -> String {
    let name = &watch.name;
    match (watch.mode, rows) {
        (_, []) => format!("{name}:{}", found.poll),
        (Mode::Changed, _) => {
            let text: Vec<String> = rows.iter().map(|r| format!("{r:?}")).collect();
            let digest = fingerprint(text.join("\n").as_bytes());
            match rows {
                [row] => format!("{name}:{}:{}", row.key, &digest[..12]),
                _ => format!("{name}:{digest}"),
            }
        }
        (_, [row]) => format!("{name}:{}", row.key),
        (_, [first, .., last]) => format!("{name}:{}..{}", first.key, last.key),
    }
}

/// A row as an object; in mode `changed` with what happened to it and what it was.
fn row_json(watch: &Watch, names: &[String], fresh: &Fresh) -> Value {
    let object = |row: &[Cell]| -> Value {
        let cells = names.iter().cloned().zip(row.iter().map(Cell::to_json));
        Value::Object(cells.collect())
    };
    if watch.mode != Mode::Changed {
        return object(&fresh.row);
    }
    let (change, before) = match &fresh.change {
        Some(Change::Added) => ("added", None),
        Some(Change::Removed) => {
            return json!({"change": "removed", "before": object(&fresh.row), "row": null});
        }
        Some(Change::Changed(before)) => ("changed", Some(object(before))),
        None => ("unknown", None),
    };
    json!({"change": change, "before": before, "row": object(&fresh.row)})
}

/// `ROW_<COLUMN>` in capitals, with `_` for what no variable's name may have. NULL sets none, nor
/// does a value with a NUL byte or one too long; those are on standard input.
fn row_variables(names: &[String], fresh: &Fresh) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    let mut left = ROW_ALL;
    for (name, cell) in names.iter().zip(&fresh.row) {
        let Some(text) = cell.to_text() else {
            continue;
        };
        if text.len() > ROW_LIMIT.min(left) || text.contains('\0') {
            continue;
        }
        left -= text.len();
        let sign = |c: char| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_uppercase(),
            false => '_',
        };
        variables.push((
            format!("ROW_{}", name.chars().map(sign).collect::<String>()),
            text,
        ));
    }
    variables
}

fn arguments(names: &[String], fresh: &Fresh) -> String {
    let cells = names.iter().zip(&fresh.row);
    let known = cells.map(|(name, cell)| (name.clone(), json!(cell.to_text().unwrap_or_default())));
    Value::Object(known.collect()).to_string()
}

/// The names of the columns, told apart where two are the same.
fn distinct(columns: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for column in columns {
        let mut name = column.clone();
        let mut n = 1;
        while names.contains(&name) {
            n += 1;
            name = format!("{column}_{n}");
        }
        names.push(name);
    }
    names
}
