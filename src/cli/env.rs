//! Variables as they are given on the command line.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::cli::error::{CliError, Kind};
use crate::model::Raw;

/// Reads several of `NAME=VALUE`.
///
/// # Errors
/// As [`variable`].
pub fn variables(given: &[OsString]) -> Result<Vec<(String, Raw)>, CliError> {
    given.iter().map(variable).collect()
}

/// Reads `NAME=VALUE`; the value byte for byte.
///
/// # Errors
/// One without a name or without a sign of equality.
pub fn variable(given: &OsString) -> Result<(String, Raw), CliError> {
    let bytes = given.as_bytes();
    let cut = bytes.iter().position(|b| *b == b'=').filter(|at| *at > 0);
    let name = cut.and_then(|at| std::str::from_utf8(&bytes[..at]).ok());
    match (cut, name) {
        (Some(at), Some(name)) => Ok((name.to_owned(), Raw(bytes[at + 1..].to_vec()))),
        _ => {
            let what = format!("\"{}\" is no variable", given.to_string_lossy());
            Err(CliError::new(Kind::Usage, what).hint("write NAME=VALUE"))
        }
    }
}
