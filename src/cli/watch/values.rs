//! Values as they are given for watches on the command line: parameters and places of a cursor.

use serde_json::Value;

use crate::cli::error::{CliError, Kind};
use crate::model::{Cell, Initial, parse_duration};

/// A value bound to a name: `NAME=TEXT`, or `NAME:=JSON`.
///
/// # Errors
/// What is neither, and JSON that is no single value.
pub fn param(text: &str) -> Result<(String, Cell), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("\"{text}\" is no parameter: write NAME=TEXT or NAME:=JSON"))?;
    let typed = name.strip_suffix(':');
    let name = typed.unwrap_or(name);
    let letters = |c: char| c.is_alphanumeric() || c == '_';
    let first = name.chars().next().is_some_and(|c| !c.is_numeric());
    if !first || !name.chars().all(letters) {
        return Err(format!(
            "\"{name}\" is no name of a parameter: write letters, digits and _"
        ));
    }
    let cell = match typed {
        None => Cell::Text(value.to_owned()),
        Some(_) => serde_json::from_str(value)
            .ok()
            .and_then(|json| of_json(&json))
            .ok_or_else(|| {
                format!(
                    "after {name}:= stands a number, a text in quotes, true, false or null; \
                     \"{value}\" is none of these"
                )
            })?,
    };
    Ok((name.to_owned(), cell))
}

/// A single JSON value.
fn of_json(json: &Value) -> Option<Cell> {
    Some(match json {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Cell::Int(whole),
            None => Cell::Real(number.as_f64()?),
        },
        Value::String(text) => Cell::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

/// Where a cursor begins: `now`, `min`, or a value for each key column.
///
/// # Errors
/// Values that are not as many as there are key columns.
pub fn initial(text: &str, key: &[String]) -> Result<Initial, CliError> {
    match text {
        "now" => Ok(Initial::Now),
        "min" => Ok(Initial::Min),
        values => place(values, key).map(Initial::Value),
    }
}

/// A value for each key column: separated by commas, or a JSON array. What reads as a JSON value is
/// that; the rest is text.
///
/// # Errors
/// Values that are not as many as there are key columns.
pub fn place(text: &str, key: &[String]) -> Result<Vec<Cell>, CliError> {
    let whole: Option<Vec<Cell>> = serde_json::from_str::<Vec<Value>>(text)
        .ok()
        .and_then(|values| values.iter().map(of_json).collect());
    let one = |text: &str| {
        let json = serde_json::from_str(text).ok().as_ref().and_then(of_json);
        json.unwrap_or_else(|| Cell::Text(text.to_owned()))
    };
    let cells = match (whole, key.len()) {
        (Some(cells), _) => cells,
        (None, 0 | 1) => vec![one(text)],
        (None, _) => text.split(',').map(|part| one(part.trim())).collect(),
    };
    if cells.len() == key.len() {
        return Ok(cells);
    }
    let (given, wanted) = (cells.len(), key.len());
    let message = format!(
        "{given} values for {wanted} key columns ({})",
        key.join(", ")
    );
    Err(CliError::new(Kind::Invalid, message)
        .hint("write them in the order of --key: 2027-01-31,17 or '[\"a,b\", 17]'"))
}

/// How far a cursor looks back: a number of ids, or a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookback {
    /// So many numbers.
    Ids(i64),
    /// So many milliseconds.
    Ms(i64),
    /// Not at all.
    None,
}

/// Reads how far a cursor looks back.
///
/// # Errors
/// What is neither a number nor a length of time.
pub fn lookback(text: &str) -> Result<Lookback, String> {
    if let Ok(ids) = text.parse::<u32>() {
        return Ok(match ids {
            0 => Lookback::None,
            ids => Lookback::Ids(i64::from(ids)),
        });
    }
    match parse_duration(text) {
        Ok(ms) => Ok(Lookback::Ms(ms)),
        Err(_) => Err(format!(
            "\"{text}\" is neither a number of ids, such as 1000, nor a length of time, such as 2m"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_after_a_colon_has_a_type() {
        let text = |t: &str| Cell::Text(t.to_owned());
        assert_eq!(param("n=5"), Ok(("n".to_owned(), text("5"))));
        assert_eq!(param("n:=5"), Ok(("n".to_owned(), Cell::Int(5))));
        assert_eq!(param("n:=5.5"), Ok(("n".to_owned(), Cell::Real(5.5))));
        assert_eq!(param("n:=null"), Ok(("n".to_owned(), Cell::Null)));
        assert_eq!(param("n:=\"5\""), Ok(("n".to_owned(), text("5"))));
        assert_eq!(param("url=a:=b=c"), Ok(("url".to_owned(), text("a:=b=c"))));
        assert!(param("n:=[1]").is_err() && param("n").is_err() && param("1=x").is_err());
    }

    #[test]
    fn a_place_has_a_value_for_each_key_column() {
        let keys = |n: usize| vec!["k".to_owned(); n];
        assert_eq!(place("42", &keys(1)).unwrap(), [Cell::Int(42)]);
        assert_eq!(
            place("a,b", &keys(1)).unwrap(),
            [Cell::Text("a,b".to_owned())]
        );
        let two = [Cell::Text("2027-01-31".to_owned()), Cell::Int(17)];
        assert_eq!(place("2027-01-31, 17", &keys(2)).unwrap(), two);
        assert_eq!(place("[\"2027-01-31\",17]", &keys(2)).unwrap(), two);
        assert!(place("1,2,3", &keys(2)).is_err());
    }

    #[test]
    fn a_bare_number_is_a_number_of_ids() {
        assert_eq!(lookback("500"), Ok(Lookback::Ids(500)));
        assert_eq!(lookback("2m"), Ok(Lookback::Ms(120_000)));
        assert_eq!(lookback("0"), Ok(Lookback::None));
        assert!(lookback("far").is_err());
    }
}
