//! Mode `threshold`: a number that crosses a limit.

use crate::engine::watch::digest::{Against, Digest, Fresh, Unusable, nothing};
use crate::model::{Cell, Rows, Watch};

pub(in crate::engine::watch) fn crossed(
    watch: &Watch,
    rows: &Rows,
    against: &Against<'_>,
) -> Result<Digest, Unusable> {
    let Some(row) = rows.rows.first() else {
        return Ok(nothing(against));
    };
    let Some(value) = number(row.first())? else {
        return Ok(nothing(against));
    };
    let limits = &watch.limits;
    let back = limits.rearm.unwrap_or(0.0).abs();
    let beyond = |slack: f64| {
        limits.above.is_some_and(|above| value > above - slack)
            || limits.below.is_some_and(|below| value < below + slack)
    };
    let mut memory = against.memory.clone();
    let inside = if memory.inside {
        beyond(back)
    } else {
        beyond(0.0)
    };
    let edge = inside != memory.inside && (inside || limits.on_return);
    memory.crossings += i64::from(edge);
    memory.inside = inside;
    let fresh = edge.then(|| Fresh {
        key: memory.crossings.to_string(),
        key_cells: Vec::new(),
        row: row.clone(),
        change: None,
    });
    Ok(Digest {
        fresh: fresh.into_iter().collect(),
        memory,
        ..nothing(against)
    })
}

fn number(cell: Option<&Cell>) -> Result<Option<f64>, Unusable> {
    let odd = |what: &str| {
        Err(Unusable(format!(
            "{what} is no number: mode threshold needs one"
        )))
    };
    match cell {
        None | Some(Cell::Null) => Ok(None),
        Some(Cell::Int(value)) => Ok(Some(*value as f64)),
        Some(Cell::Real(value)) => Ok(Some(*value)),
        Some(Cell::Bool(value)) => Ok(Some(f64::from(u8::from(*value)))),
        Some(Cell::Text(text)) => match text.trim().parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => odd(&format!("\"{text}\"")),
        },
        Some(Cell::Bytes(_)) => odd("a value of bytes"),
    }
}
