//! Parameters for PostgreSQL: each as text, which the server reads as whatever type it has inferred.

use std::error::Error;

use bytes::BytesMut;
use postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use crate::model::Cell;

/// A parameter.
#[derive(Debug)]
pub(in crate::source) struct Given<'a>(pub &'a Cell);

impl ToSql for Given<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let number = matches!(
            *ty,
            Type::INT2 | Type::INT4 | Type::INT8 | Type::NUMERIC | Type::FLOAT4 | Type::FLOAT8
        );
        let text = match self.0 {
            Cell::Null => return Ok(IsNull::Yes),
            Cell::Bool(value) if number => u8::from(*value).to_string(),
            Cell::Bool(value) => value.to_string(),
            Cell::Int(value) => value.to_string(),
            Cell::Real(value) if value.is_infinite() && *value > 0.0 => "Infinity".to_owned(),
            Cell::Real(value) if value.is_infinite() => "-Infinity".to_owned(),
            Cell::Real(value) => value.to_string(),
            Cell::Text(value) => value.clone(),
            Cell::Bytes(value) if *ty == Type::BYTEA => {
                let hex: String = value.iter().map(|b| format!("{b:02x}")).collect();
                format!("\\x{hex}")
            }
            Cell::Bytes(value) => String::from_utf8(value.clone())?,
        };
        if text.contains('\0') {
            return Err("a text with a zero byte cannot be sent to PostgreSQL".into());
        }
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
