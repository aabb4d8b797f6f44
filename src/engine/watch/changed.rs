//! Mode `changed`: what came, went, or differs.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::engine::watch::digest::{Against, Change, Digest, Fresh, Unusable, keyed, nothing};
use crate::engine::watch::key::{fingerprint, key_text};
use crate::model::{Cell, Initial, LastResult, Rows, Watch};

/// Bytes of a result that is kept for comparison.
const KEPT: usize = 1 << 20;

pub(in crate::engine::watch) fn changed(
    watch: &Watch,
    rows: &Rows,
    against: &Against<'_>,
) -> Result<Digest, Unusable> {
    let mut now = match watch.key.is_empty() {
        false => keyed(watch, rows)?,
        true => whole_rows(rows),
    };
    now.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(pair) = now.windows(2).find(|pair| pair[0].key == pair[1].key) {
        return Err(Unusable(format!(
            "two rows have the same key ({} = {}): name more columns with --key",
            watch.key.join(", "),
            pair[0].key
        )));
    }
    let text: Vec<String> = now
        .iter()
        .map(|f| format!("{}{}", f.key, json_of(&f.row)))
        .collect();
    let size: usize = text.iter().map(String::len).sum();
    let last = LastResult {
        digest: fingerprint(text.join("\n").as_bytes()),
        columns: rows.columns.clone(),
        rows: (size <= KEPT && !rows.truncated)
            .then(|| now.iter().map(|f| (f.key.clone(), f.row.clone())).collect()),
    };
    let before = against.memory.last.as_ref();
    let (fresh, note) = match before {
        None if watch.initial == Initial::Min => (differences(&now, &[]), None),
        None => (Vec::new(), None),
        Some(before) if before.digest == last.digest => (Vec::new(), None),
        Some(LastResult {
            rows: Some(before), ..
        }) => (differences(&now, before), None),
        Some(_) => {
            let note = "the result before was too large to be kept: all rows are delivered";
            (now.clone(), Some(note.to_owned()))
        }
    };
    let mut memory = against.memory.clone();
    memory.last = Some(last);
    Ok(Digest {
        fresh,
        memory,
        note,
        ..nothing(against)
    })
}

/// Without a key a row is its own; equal rows are counted.
fn whole_rows(rows: &Rows) -> Vec<Fresh> {
    let mut count: HashMap<String, usize> = HashMap::new();
    let each = rows.rows.iter().map(|row| {
        let key = key_text(row);
        let n = count.entry(key.clone()).or_default();
        *n += 1;
        Fresh {
            key: if *n == 1 { key } else { format!("{key}#{n}") },
            key_cells: row.clone(),
            row: row.clone(),
            change: None,
        }
    });
    each.collect()
}

fn differences(now: &[Fresh], before: &[(String, Vec<Cell>)]) -> Vec<Fresh> {
    let old: HashMap<&str, &Vec<Cell>> = before.iter().map(|(k, r)| (k.as_str(), r)).collect();
    let new: HashSet<&str> = now.iter().map(|f| f.key.as_str()).collect();
    let mut found = Vec::new();
    for fresh in now {
        let change = match old.get(fresh.key.as_str()) {
            None => Change::Added,
            Some(row) if **row == fresh.row => continue,
            Some(row) => Change::Changed((*row).clone()),
        };
        found.push(Fresh {
            change: Some(change),
            ..fresh.clone()
        });
    }
    let gone = before.iter().filter(|(k, _)| !new.contains(k.as_str()));
    found.extend(gone.map(|(key, row)| Fresh {
        key: key.clone(),
        key_cells: Vec::new(),
        row: row.clone(),
        change: Some(Change::Removed),
    }));
    found
}

fn json_of(row: &[Cell]) -> Value {
    Value::Array(row.iter().map(Cell::to_json).collect())
}
