//! How cells stand to each other, as far as a cursor needs it.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};

use crate::model::Cell;

/// Compares two cells: NULL first, then truth values, numbers, texts, bytes. Texts are compared by
/// their bytes, as `COLLATE "C"` and SQLite's `BINARY` do; instants in one form come out by time.
pub fn compare(a: &Cell, b: &Cell) -> Ordering {
    match (a, b) {
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
        (Cell::Int(a), Cell::Int(b)) => a.cmp(b),
        (Cell::Int(a), Cell::Real(b)) => whole_to_real(*a, *b),
        (Cell::Real(a), Cell::Int(b)) => whole_to_real(*b, *a).reverse(),
        (Cell::Real(a), Cell::Real(b)) => a.total_cmp(b),
        (Cell::Text(a), Cell::Text(b)) => match (number(a), number(b)) {
            // Decimals come as text, and 9 is less than 10.
            (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
            _ => a.cmp(b),
        },
        (Cell::Bytes(a), Cell::Bytes(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Compares two keys, column by column.
pub(in crate::engine) fn compare_keys(a: &[Cell], b: &[Cell]) -> Ordering {
    let unequal = a.iter().zip(b).map(|(a, b)| compare(a, b));
    let first = unequal.into_iter().find(|o| *o != Ordering::Equal);
    first.unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn rank(cell: &Cell) -> u8 {
    match cell {
        Cell::Null => 0,
        Cell::Bool(_) => 1,
        Cell::Int(_) | Cell::Real(_) => 2,
        Cell::Text(_) => 3,
        Cell::Bytes(_) => 4,
    }
}

// Through f64 two neighbours beyond 2^53 would be one; their order is then that of the whole parts.
fn whole_to_real(whole: i64, real: f64) -> Ordering {
    let near = (whole as f64).total_cmp(&real);
    if near == Ordering::Equal && real.abs() < 9.2e18 {
        return whole.cmp(&(real as i64));
    }
    near
}

fn number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
    if text.is_empty() || !text.chars().all(plain) {
        return None;
    }
    text.parse().ok()
}

/// The value that lies so many numbers, or milliseconds, before this one; itself where it is neither
/// a number nor an instant.
pub(in crate::engine) fn before(cell: &Cell, ids: i64, ms: i64) -> Cell {
    match cell {
        Cell::Int(value) => Cell::Int(value.saturating_sub(ids)),
        Cell::Real(value) => Cell::Real(value - ids as f64),
        Cell::Text(text) => instant_before(text, ms).map_or_else(|| cell.clone(), Cell::Text),
        Cell::Null | Cell::Bool(_) | Cell::Bytes(_) => cell.clone(),
    }
}

/// The same instant earlier, written as it was.
fn instant_before(text: &str, ms: i64) -> Option<String> {
    let span = TimeDelta::try_milliseconds(ms)?;
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        let at = at.checked_sub_signed(span)?;
        let date = at.format("%Y-%m-%d").to_string();
        let zone = if text.ends_with(['Z', 'z']) {
            "Z"
        } else {
            "%:z"
        };
        let between = text.get(10..11)?;
        return Some(format!(
            "{date}{between}{}",
            at.format(&format!("%H:%M:%S%.6f{zone}"))
        ));
    }
    for between in ["T", " "] {
        let form = format!("%Y-%m-%d{between}%H:%M:%S%.f");
        if let Ok(at) = NaiveDateTime::parse_from_str(text, &form) {
            let form = format!("%Y-%m-%d{between}%H:%M:%S%.6f");
            return Some(at.checked_sub_signed(span)?.format(&form).to_string());
        }
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    // A look back by less than a day is one by a day, where days are all there is.
    let days = span.num_days().max(1);
    let earlier = day.checked_sub_signed(TimeDelta::try_days(days)?)?;
    Some(earlier.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use crate::engine::watch::order::{before, compare};
    use crate::model::Cell;

    fn text(t: &str) -> Cell {
        Cell::Text(t.to_owned())
    }

    #[test]
    fn numbers_are_compared_as_numbers_whatever_they_are_written_as() {
        assert_eq!(compare(&Cell::Int(2), &Cell::Real(10.5)), Ordering::Less);
        assert_eq!(compare(&text("9.50"), &text("10.25")), Ordering::Less);
        let big = (1_i64 << 53) + 1;
        assert_eq!(
            compare(&Cell::Int(big), &Cell::Real((1_i64 << 53) as f64)),
            Ordering::Greater
        );
        assert_eq!(compare(&Cell::Null, &Cell::Int(i64::MIN)), Ordering::Less);
    }

    #[test]
    fn an_instant_is_looked_back_from_in_its_own_form() {
        let back = |t: &str| match before(&text(t), 0, 60_000) {
            Cell::Text(t) => t,
            other => format!("{other:?}"),
        };
        assert_eq!(back("2026-03-01T00:00:30Z"), "2026-02-28T23:59:30.000000Z");
        assert_eq!(
            back("2026-03-01 00:00:30.25+02:00"),
            "2026-02-28 23:59:30.250000+02:00"
        );
        assert_eq!(back("2026-03-01 00:00:30"), "2026-02-28 23:59:30.000000");
        assert_eq!(back("2026-03-01"), "2026-02-28");
        assert_eq!(back("abc"), "abc");
        assert_eq!(before(&Cell::Int(5), 1_000, 0), Cell::Int(-995));
    }
}
