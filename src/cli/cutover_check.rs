//! What has to hold of a table before it is written: nothing but the entries is gone, by our reader and
//! by the `crontab` of this host.

use crate::cli::error::{CliError, Kind};
use crate::crontab::{Dialect, Format, Table, unmark};
use crate::daemon::cron_program::{CronProgram, owner_of};
use crate::store::CrontabRow;

/// What is to be written must be the same table with just those entries gone.
///
/// # Errors
/// It is not; nothing was changed.
pub fn check(
    table: &CrontabRow,
    before: &[u8],
    after: &[u8],
    taken: usize,
) -> Result<(), CliError> {
    let refuse = |why: &str| {
        let text = format!("{}: {why}; nothing was changed", table.source);
        Err(CliError::new(Kind::Refused, text))
    };
    if unmark(after, |_| true).bytes != unmark(before, |_| true).bytes {
        return refuse("the marks could not be taken away again");
    }
    let (Ok(dialect), Ok(format)) = (
        table.dialect.parse::<Dialect>(),
        table.format.parse::<Format>(),
    ) else {
        return Ok(());
    };
    let (old, new) = (
        Table::parse(before, dialect, format),
        Table::parse(after, dialect, format),
    );
    if old.entries().count() != new.entries().count() + taken
        || old.complaints().count() != new.complaints().count()
    {
        return refuse("a line holds a NUL byte, so a mark would hide too much or too little");
    }
    if dialect == Dialect::Cronie && longest_comments(after) > 32_000 {
        return refuse(
            "cronie reads no more than 32768 bytes of comments in a row; take over in parts with --job",
        );
    }
    Ok(())
}

fn longest_comments(bytes: &[u8]) -> usize {
    let (mut longest, mut length) = (0, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_start();
        length = if text.is_empty() || text.starts_with(b"#") {
            length + line.len()
        } else {
            0
        };
        longest = longest.max(length);
    }
    longest
}

/// Asks the `crontab` of this host whether it takes what is to be written. A table it did not take as
/// it was tells nothing: it may be one with a column of users, or that of another cron.
///
/// # Errors
/// It refuses, in its words; nothing was changed.
pub fn ask_crontab(table: &CrontabRow, before: &[u8], after: &[u8]) -> Result<(), CliError> {
    let Some(program) = CronProgram::find() else {
        return Ok(());
    };
    let refused = |bytes: &[u8]| program.refusal(bytes).ok().flatten();
    let Some(words) = refused(after) else {
        return Ok(());
    };
    if owner_of(&table.source).is_none() && refused(before).is_some() {
        return Ok(());
    }
    let text = format!(
        "{}: {} would not take what is to be written; nothing was changed: {words}",
        table.source,
        program.path().display()
    );
    Err(CliError::new(Kind::Refused, text))
}
