//! Getting the password of a source from where its definition says it is.

use std::io::Read;

use crate::model::{PasswordFrom, Secret, Source};
use crate::source::error::{ErrorKind, Result, SourceError};

/// The longest password that is read from a file.
const MOST: u64 = 64 * 1024;

/// Gets the password: the stored one, which the caller has read from the store, the first line of
/// a file, or a variable of this process.
///
/// # Errors
/// `config`: the file cannot be read, the variable is not set, nothing is stored.
pub fn read_password(source: &Source, stored: Option<Secret>) -> Result<Option<Secret>> {
    let wrong = |message: String| SourceError::new(ErrorKind::Config, message);
    match &source.password {
        PasswordFrom::Nowhere => Ok(None),
        PasswordFrom::Stored => match stored {
            Some(secret) => Ok(Some(secret)),
            None => Err(wrong("the store has no password for it".to_owned())
                .hint("give it again: `crake source add NAME DSN --replace --password-stdin`")),
        },
        PasswordFrom::File(path) => {
            let mut text = String::new();
            let read = std::fs::File::open(path)
                .and_then(|file| file.take(MOST).read_to_string(&mut text));
            read.map_err(|e| {
                wrong(format!(
                    "cannot read the password in {}: {e}",
                    path.display()
                ))
                .hint("the file must be readable for the user the daemon runs as")
            })?;
            Ok(Some(Secret::new(text.lines().next().unwrap_or(""))))
        }
        PasswordFrom::Env(name) => match std::env::var(name) {
            Ok(value) => Ok(Some(Secret::new(value))),
            Err(_) => Err(
                wrong(format!("the variable {name} with the password is not set"))
                    .hint("it must be set for the daemon too; --password-file needs no variable"),
            ),
        },
    }
}
