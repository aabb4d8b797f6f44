//! Values of MySQL and MariaDB, as cells, and cells as their values.

use mysql::consts::{ColumnFlags, ColumnType};
use mysql::{Column, Value};

use crate::model::Cell;

/// The number of the character set that says "no characters but bytes".
const BINARY: u16 = 63;

/// A value of a column.
pub(in crate::source) fn cell(column: &Column, value: Value) -> Cell {
    match value {
        Value::NULL => Cell::Null,
        Value::Int(value) => Cell::Int(value),
        Value::UInt(value) => match i64::try_from(value) {
            Ok(value) => Cell::Int(value),
            // Beyond what a whole number can hold here it stays exact as text.
            Err(_) => Cell::Text(value.to_string()),
        },
        // The shortest text that means the number, as widening would add digits to it.
        Value::Float(value) => Cell::Real(value.to_string().parse().unwrap_or(value.into())),
        Value::Double(value) => Cell::Real(value),
        Value::Date(year, month, day, hour, minute, second, us) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            let is_date = matches!(
                column.column_type(),
                ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE
            );
            match is_date {
                true => Cell::Text(date),
                false => Cell::Text(format!(
                    "{date}T{hour:02}:{minute:02}:{second:02}{}",
                    fraction(us)
                )),
            }
        }
        Value::Time(negative, days, hours, minutes, seconds, us) => {
            let sign = if negative { "-" } else { "" };
            let hours = u64::from(days) * 24 + u64::from(hours);
            Cell::Text(format!(
                "{sign}{hours:02}:{minutes:02}:{seconds:02}{}",
                fraction(us)
            ))
        }
        Value::Bytes(bytes) => of_bytes(column, bytes),
    }
}

fn fraction(us: u32) -> String {
    match us {
        0 => String::new(),
        us => format!(".{}", format!("{us:06}").trim_end_matches('0')),
    }
}

fn of_bytes(column: &Column, bytes: Vec<u8>) -> Cell {
    let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
        Ok(text) => Cell::Text(text),
        Err(e) => Cell::Bytes(e.into_bytes()),
    };
    match column.column_type() {
        ColumnType::MYSQL_TYPE_BIT if bytes.len() <= 8 => {
            let value = bytes.iter().fold(0_u64, |sum, b| sum << 8 | u64::from(*b));
            cell(column, Value::UInt(value))
        }
        ColumnType::MYSQL_TYPE_DECIMAL
        | ColumnType::MYSQL_TYPE_NEWDECIMAL
        | ColumnType::MYSQL_TYPE_JSON
        | ColumnType::MYSQL_TYPE_ENUM
        | ColumnType::MYSQL_TYPE_SET => text(bytes),
        ColumnType::MYSQL_TYPE_GEOMETRY => Cell::Bytes(bytes),
        ColumnType::MYSQL_TYPE_STRING
        | ColumnType::MYSQL_TYPE_VAR_STRING
        | ColumnType::MYSQL_TYPE_VARCHAR
        | ColumnType::MYSQL_TYPE_BLOB
        | ColumnType::MYSQL_TYPE_TINY_BLOB
        | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
        | ColumnType::MYSQL_TYPE_LONG_BLOB
            if column.character_set() == BINARY
                && column.flags().contains(ColumnFlags::BINARY_FLAG) =>
        {
            Cell::Bytes(bytes)
        }
        _ => text(bytes),
    }
}

/// A parameter.
pub(in crate::source) fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::NULL,
        Cell::Bool(value) => Value::Int(i64::from(*value)),
        Cell::Int(value) => Value::Int(*value),
        Cell::Real(value) => Value::Double(*value),
        Cell::Text(value) => Value::Bytes(value.clone().into_bytes()),
        Cell::Bytes(value) => Value::Bytes(value.clone()),
    }
}
