//! Getting secrets from where a receiver says they are, and keeping them out of what is said.

use std::io::Read;
use std::path::Path;

use crate::courier::Undeliverable;
use crate::model::{Place, Secret, SecretFrom, redacted_url};

/// The longest line that is read from a file.
const MOST: u64 = 64 * 1024;

/// The secret itself.
///
/// # Errors
/// It is not where it is said to be.
pub fn secret(from: &SecretFrom) -> Result<Secret, Undeliverable> {
    match from {
        SecretFrom::File(path) => first_line(path).map(Secret::new),
        SecretFrom::Env(name) => std::env::var(name).map(Secret::new).map_err(|_| {
            Undeliverable(format!(
                "the variable {name} is not set in the environment of the daemon"
            ))
        }),
    }
}

/// An address, wherever it stands.
///
/// # Errors
/// The file cannot be read.
pub fn address(place: &Place) -> Result<String, Undeliverable> {
    match place {
        Place::Url(url) => Ok(url.clone()),
        Place::File(path) => first_line(path),
    }
}

/// What went wrong, with nothing in it of an address but its host.
pub fn without(url: &str, text: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let mut text = text.replace(url, &redacted_url(url));
    let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    if path.len() > 1 {
        text = text.replace(path, "/***");
    }
    text
}

fn first_line(path: &Path) -> Result<String, Undeliverable> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text));
    read.map_err(|e| Undeliverable(format!("cannot read {}: {e}", path.display())))?;
    match text.lines().next().map(str::trim).filter(|l| !l.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(Undeliverable(format!("{} is empty", path.display()))),
    }
}
