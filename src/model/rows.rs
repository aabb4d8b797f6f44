//! What a query gives: columns, rows, and cells of the few kinds that every engine has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One value of a result or a parameter.
///
/// What has no exact form among these is text: decimals as they are written, instants and dates in
/// ISO 8601, intervals, UUIDs and network addresses as their server writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// True or false, of engines that have the type.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A binary floating point number.
    Real(#[serde(with = "real_text")] f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(#[serde(with = "bytes_text")] Vec<u8>),
}

impl Cell {
    /// The value as jobs and people get it in JSON. Numbers that JSON cannot have (infinities, not
    /// a number) are text, bytes are `{"b64": "..."}`.
    pub fn to_json(&self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Bool(value) => json!(value),
            Cell::Int(value) => json!(value),
            Cell::Real(value) if value.is_finite() => json!(value),
            Cell::Real(value) => json!(value.to_string()),
            Cell::Text(value) => json!(value),
            Cell::Bytes(value) => json!({ "b64": STANDARD.encode(value) }),
        }
    }

    /// The value as it stands in an environment variable; nothing for NULL. Bytes are base64.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Cell::Null => None,
            Cell::Bool(value) => Some(value.to_string()),
            Cell::Int(value) => Some(value.to_string()),
            Cell::Real(value) => Some(value.to_string()),
            Cell::Text(value) => Some(value.clone()),
            Cell::Bytes(value) => Some(STANDARD.encode(value)),
        }
    }
}

/// What JSON has no number for is text.
mod real_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(f64),
        Text(String),
    }

    pub fn serialize<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
        match value.is_finite() {
            true => value.serialize(s),
            false => s.serialize_str(&value.to_string()),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        match Written::deserialize(d)? {
            Written::Number(value) => Ok(value),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

mod bytes_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(d)?;
        STANDARD.decode(text).map_err(de::Error::custom)
    }
}

/// The result of a query, as far as it was taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// The names of the columns, as the engine gives them.
    pub columns: Vec<String>,
    /// The rows, each with one cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// Whether there were more rows, or more bytes, than the limit allowed.
    pub truncated: bool,
}

impl Rows {
    /// The position of a column; names are compared as they are, then without regard to case.
    pub fn column(&self, name: &str) -> Option<usize> {
        let same = |c: &String| c == name;
        let alike = |c: &String| c.eq_ignore_ascii_case(name);
        let exact = self.columns.iter().position(same);
        exact.or_else(|| self.columns.iter().position(alike))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Cell;

    #[test]
    fn every_real_number_comes_back_as_it_was() {
        let awkward = [
            0.1 + 0.2,
            -0.0,
            1.0,
            5e-324,
            f64::MAX,
            123_456_789.123_456_78,
            2.225_073_858_507_201e-308,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        let back = |value: f64| {
            let text = serde_json::to_string(&Cell::Real(value)).unwrap();
            match serde_json::from_str(&text).unwrap() {
                Cell::Real(back) => back,
                other => panic!("{other:?}"),
            }
        };
        for value in awkward {
            assert_eq!(back(value).to_bits(), value.to_bits(), "{value}");
        }
        assert!(back(f64::NAN).is_nan());
    }
}
