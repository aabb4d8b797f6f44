//! Values of PostgreSQL in its binary form, as cells. What is not known here is asked for as text.

use std::error::Error;

use postgres::types::{FromSql, Kind, Type};

use crate::model::Cell;
use crate::source::postgres_array::array;
use crate::source::postgres_time::{date, time, time_zoned, timestamp};

type Failure = Box<dyn Error + Sync + Send>;

/// How a type comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Form {
    /// Read from its binary form here.
    Known,
    /// Text that the server makes of it by a cast.
    AsText,
    /// JSON text that the server makes of it: arrays of what is not known here.
    AsJson,
}

/// How a type comes out.
pub(in crate::source) fn form(ty: &Type) -> Form {
    match ty.kind() {
        Kind::Array(element) if is_known(element) => Form::Known,
        Kind::Array(_) => Form::AsJson,
        _ if is_known(ty) => Form::Known,
        _ => Form::AsText,
    }
}

fn is_known(ty: &Type) -> bool {
    match ty.kind() {
        Kind::Enum(_) => return true,
        Kind::Domain(base) => return is_known(base),
        _ => {}
    }
    if is_text(ty) {
        return true;
    }
    matches!(
        *ty,
        Type::BOOL
            | Type::INT2
            | Type::INT4
            | Type::INT8
            | Type::OID
            | Type::FLOAT4
            | Type::FLOAT8
            | Type::NUMERIC
            | Type::BYTEA
            | Type::JSONB
            | Type::UUID
            | Type::DATE
            | Type::TIME
            | Type::TIMETZ
            | Type::TIMESTAMP
            | Type::TIMESTAMPTZ
    )
}

/// Types whose binary form is their text. `citext` has a number of its own in each database.
fn is_text(ty: &Type) -> bool {
    matches!(
        *ty,
        Type::TEXT
            | Type::VARCHAR
            | Type::BPCHAR
            | Type::NAME
            | Type::CHAR
            | Type::JSON
            | Type::XML
            | Type::UNKNOWN
    ) || (ty.name() == "citext" && *ty.kind() == Kind::Simple)
}

/// A cell read from a row; it accepts every type, since what is not known was cast to text.
pub(in crate::source) struct Got(pub Cell);

impl<'a> FromSql<'a> for Got {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Got, Failure> {
        match ty.kind() {
            Kind::Array(element) => Ok(Got(Cell::Text(array(element, raw)?))),
            _ => Ok(Got(cell(ty, raw)?)),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Got, Failure> {
        Ok(Got(Cell::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// One value.
///
/// # Errors
/// A length that the type does not have.
pub(in crate::source) fn cell(ty: &Type, raw: &[u8]) -> Result<Cell, Failure> {
    if let Kind::Domain(base) = ty.kind() {
        return cell(base, raw);
    }
    if is_text(ty) || matches!(ty.kind(), Kind::Enum(_)) {
        return Ok(text(raw));
    }
    Ok(match *ty {
        Type::BOOL => Cell::Bool(fixed::<1>(raw)? != [0]),
        Type::INT2 => Cell::Int(i16::from_be_bytes(fixed(raw)?).into()),
        Type::INT4 => Cell::Int(i32::from_be_bytes(fixed(raw)?).into()),
        Type::INT8 => Cell::Int(i64::from_be_bytes(fixed(raw)?)),
        Type::OID => Cell::Int(u32::from_be_bytes(fixed(raw)?).into()),
        // The shortest text that means the number: 1.1, where widening would give 1.10000002384.
        Type::FLOAT4 => Cell::Real(f32::from_be_bytes(fixed(raw)?).to_string().parse()?),
        Type::FLOAT8 => Cell::Real(f64::from_be_bytes(fixed(raw)?)),
        Type::NUMERIC => Cell::Text(numeric(raw)?),
        Type::BYTEA => Cell::Bytes(raw.to_vec()),
        // The first byte is the version of the form.
        Type::JSONB => text(raw.get(1..).unwrap_or_default()),
        Type::UUID => Cell::Text(uuid(fixed(raw)?)),
        Type::DATE => Cell::Text(date(i32::from_be_bytes(fixed(raw)?))),
        Type::TIME => Cell::Text(time(i64::from_be_bytes(fixed(raw)?))),
        Type::TIMETZ => {
            let (us, west) = raw
                .split_at_checked(8)
                .ok_or("a timetz of a wrong length")?;
            let (us, west) = (
                i64::from_be_bytes(fixed(us)?),
                i32::from_be_bytes(fixed(west)?),
            );
            Cell::Text(time_zoned(us, west))
        }
        Type::TIMESTAMP => Cell::Text(timestamp(i64::from_be_bytes(fixed(raw)?), false)),
        Type::TIMESTAMPTZ => Cell::Text(timestamp(i64::from_be_bytes(fixed(raw)?), true)),
        // `void` has no bytes; anything else was asked for as text.
        _ if raw.is_empty() => Cell::Text(String::new()),
        _ => return Err(format!("values of type {} cannot be read", ty.name()).into()),
    })
}

fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], Failure> {
    Ok(raw.try_into()?)
}

fn text(raw: &[u8]) -> Cell {
    match std::str::from_utf8(raw) {
        Ok(text) => Cell::Text(text.to_owned()),
        Err(_) => Cell::Bytes(raw.to_vec()),
    }
}

fn uuid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// A `numeric`: digits to the base of 10,000, the place of the first, a sign, and how many decimal
/// places are shown. (src/backend/utils/adt/numeric.c)
fn numeric(raw: &[u8]) -> Result<String, Failure> {
    let word = |n: usize| -> Result<u16, Failure> {
        let bytes = raw.get(n * 2..n * 2 + 2).ok_or("a numeric is cut off")?;
        Ok(u16::from_be_bytes(fixed(bytes)?))
    };
    let count = usize::from(word(0)?);
    let weight = i64::from(word(1)?.cast_signed());
    let sign = match word(2)? {
        0x0000 => "",
        0x4000 => "-",
        0xC000 => return Ok("NaN".to_owned()),
        0xD000 => return Ok("Infinity".to_owned()),
        0xF000 => return Ok("-Infinity".to_owned()),
        _ => return Err("a numeric has an unknown sign".into()),
    };
    let scale = usize::from(word(3)? & 0x3FFF);
    let digits: Vec<u16> = (0..count).map(|n| word(4 + n)).collect::<Result<_, _>>()?;
    let digit = |place: i64| -> u16 {
        let index = usize::try_from(weight - place).ok();
        index.and_then(|n| digits.get(n).copied()).unwrap_or(0)
    };
    let mut text = sign.to_owned();
    match weight {
        weight if weight < 0 => text.push('0'),
        weight => {
            text.push_str(&digit(weight).to_string());
            for place in (0..weight).rev() {
                text.push_str(&format!("{:04}", digit(place)));
            }
        }
    }
    if scale > 0 {
        let groups = i64::try_from(scale.div_ceil(4))?;
        let decimals: String = (1..=groups).map(|g| format!("{:04}", digit(-g))).collect();
        text.push('.');
        text.push_str(&decimals[..scale]);
    }
    Ok(text)
}
