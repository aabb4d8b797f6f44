//! Arrays of PostgreSQL in their binary form, as JSON text.

use std::error::Error;

use postgres::types::{Kind, Type};
use serde_json::Value;

use crate::model::Cell;
use crate::source::postgres_cells::cell;

type Failure = Box<dyn Error + Sync + Send>;

/// The most dimensions an array has (MAXDIM in src/include/utils/array.h).
const DIMENSIONS: usize = 6;

/// An array as JSON: nested where it has several dimensions. Where its indexes begin is not told.
///
/// # Errors
/// A form that is none of an array.
pub(in crate::source) fn array(element: &Type, raw: &[u8]) -> Result<String, Failure> {
    let mut rest = Rest(raw);
    let dimensions = usize::try_from(rest.int()?)?;
    let (_has_null, _element) = (rest.int()?, rest.int()?);
    if dimensions == 0 {
        return Ok("[]".to_owned());
    }
    if dimensions > DIMENSIONS {
        return Err("an array of too many dimensions".into());
    }
    let mut lengths = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        lengths.push(usize::try_from(rest.int()?)?);
        let _lower_bound = rest.int()?;
    }
    Ok(nested(element, &lengths, &mut rest)?.to_string())
}

fn nested(element: &Type, lengths: &[usize], rest: &mut Rest<'_>) -> Result<Value, Failure> {
    let Some((length, inner)) = lengths.split_first() else {
        return one(element, rest);
    };
    let mut values = Vec::new();
    for _ in 0..*length {
        values.push(nested(element, inner, rest)?);
    }
    Ok(Value::Array(values))
}

fn one(element: &Type, rest: &mut Rest<'_>) -> Result<Value, Failure> {
    let Ok(length) = usize::try_from(rest.int()?) else {
        return Ok(Value::Null);
    };
    let raw = rest.bytes(length)?;
    let value = cell(element, raw)?;
    let base = match element.kind() {
        Kind::Domain(base) => base,
        _ => element,
    };
    // JSON inside JSON stays what it is.
    if let Cell::Text(text) = &value
        && matches!(*base, Type::JSON | Type::JSONB)
        && let Ok(parsed) = serde_json::from_str(text)
    {
        return Ok(parsed);
    }
    Ok(value.to_json())
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Failure> {
        let (head, tail) = self
            .0
            .split_at_checked(count)
            .ok_or("an array is cut off")?;
        self.0 = tail;
        Ok(head)
    }

    fn int(&mut self) -> Result<i32, Failure> {
        Ok(i32::from_be_bytes(self.bytes(4)?.try_into()?))
    }
}
