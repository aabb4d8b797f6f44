//! Entries that somebody commented out.

use crate::crontab::cursor::is_blank;
use crate::crontab::entry::{Entry, read_entry};
use crate::crontab::table::{Line, LineKind, Table};

impl Table {
    /// The comments that are entries but for the `#` in front, with what they would be.
    ///
    /// Prose that happens to begin like a schedule is passed over as far as it can be told: the
    /// explanations that distributions put at the head of a table, and user columns that are no
    /// name.
    pub fn disabled_entries<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (&'a Line, Entry)> {
        self.lines.iter().filter_map(move |line| {
            let text = bytes.get(line.span.clone())?;
            let entry = (line.kind == LineKind::Comment).then(|| commented(self, text))??;
            Some((line, entry))
        })
    }

    /// The same table with its disabled entries among the others.
    pub fn with_disabled(&self, bytes: &[u8]) -> Table {
        let mut table = self.clone();
        for line in &mut table.lines {
            let text = bytes.get(line.span.clone()).unwrap_or_default();
            if line.kind == LineKind::Comment
                && let Some(entry) = commented(self, text)
            {
                line.kind = LineKind::Entry(Box::new(entry));
            }
        }
        table
    }
}

fn commented(table: &Table, text: &[u8]) -> Option<Entry> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let start = text.iter().position(|&b| !is_blank(b) && b != b'#')?;
    let first = text.get(start)?;
    if !(first.is_ascii_digit() || matches!(first, b'*' | b'@')) {
        return None;
    }
    let read = read_entry(text, start, table.format, table.dialect.rules()).ok()?;
    let entry = read.entry;
    let command = String::from_utf8_lossy(&entry.raw_command).to_lowercase();
    let words: Vec<&str> = command.split_whitespace().collect();
    let prose = matches!(
        words.as_slice(),
        [] | ["command" | "<command>" | "cmd"] | ["command", "to", "be", ..] | ["=", ..]
    );
    let user = entry.user.as_deref();
    let is_name = user.is_none_or(|user| {
        user != b"user-name"
            && user
                .first()
                .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
            && user
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"_-.$".contains(b))
    });
    (read.cut.is_none() && !prose && is_name).then_some(entry)
}
