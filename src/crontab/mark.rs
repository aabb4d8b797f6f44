//! The marks by which a table says which of its entries were taken over.
//!
//! A mark makes the line a comment and names the entry: `#crake:1a2b3c4d: 5 4 * * * backup`. To
//! take the marks away again is all that a way back needs: `sed 's/^#crake:[0-9a-f]*: //'`.

use std::collections::BTreeMap;

/// How each mark begins.
pub const MARK: &str = "#crake:";

const DIGITS: usize = 8;

/// A table without its marks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unmarked {
    /// The bytes as they were before any line was taken over.
    pub bytes: Vec<u8>,
    /// The number of each line that had a mark, with the id in it.
    pub marks: BTreeMap<usize, String>,
}

/// The mark of an id.
pub fn mark(id: &str) -> String {
    format!("{MARK}{id}: ")
}

/// Takes the marks away that `takes` says yes to, and keeps the others.
pub fn unmark(bytes: &[u8], takes: impl Fn(&str) -> bool) -> Unmarked {
    let mut found = Unmarked::default();
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        match read_mark(line).filter(|(id, _)| takes(id)) {
            Some((id, rest)) => {
                found.marks.insert(index + 1, id.to_owned());
                found.bytes.extend_from_slice(rest);
            }
            None => found.bytes.extend_from_slice(line),
        }
    }
    found
}

/// Marks lines, by their numbers; nothing else changes.
pub fn put_marks(bytes: &[u8], ids: &BTreeMap<usize, String>) -> Vec<u8> {
    let mut marked = Vec::with_capacity(bytes.len() + ids.len() * (MARK.len() + DIGITS + 2));
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if let Some(id) = ids.get(&(index + 1)) {
            marked.extend_from_slice(mark(id).as_bytes());
        }
        marked.extend_from_slice(line);
    }
    marked
}

/// The id in the mark of a line, and what stands behind it.
fn read_mark(line: &[u8]) -> Option<(&str, &[u8])> {
    let rest = line.strip_prefix(MARK.as_bytes())?;
    let (id, rest) = rest.split_at_checked(DIGITS)?;
    let is_id = id
        .iter()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
    let rest = rest.strip_prefix(b": ").filter(|_| is_id)?;
    Some((std::str::from_utf8(id).ok()?, rest))
}
