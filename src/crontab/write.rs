//! Writing entries and settings so that a cron reads them back the same.

use crate::crontab::command::split_command;
use crate::crontab::dialect::Dialect;
use crate::crontab::dialect::Format;
use crate::crontab::table::{LineKind, Table};

/// The command part of an entry that runs `command` and hands it `input`; `None` where this cron
/// cannot be told so. What is written was read back.
pub fn join_command(command: &[u8], input: Option<&[u8]>, dialect: Dialect) -> Option<Vec<u8>> {
    let mut raw = Vec::with_capacity(command.len() + 8);
    for &byte in command {
        let escaped = byte == b'%' || (byte == b'\\' && dialect.rules().unescapes_backslash);
        raw.extend_from_slice(if escaped { b"\\" } else { b"" });
        raw.push(byte);
    }
    if let Some(input) = input {
        raw.push(b'%');
        let body = input.strip_suffix(b"\n").unwrap_or(input);
        for &byte in body {
            match byte {
                b'\n' => raw.push(b'%'),
                b'%' => raw.extend_from_slice(b"\\%"),
                byte => raw.push(byte),
            }
        }
    }
    let back = split_command(&raw, dialect);
    let same = back.command == command && back.stdin.as_deref() == input;
    let is_line = !raw.iter().any(|byte| matches!(byte, b'\n' | 0));
    (same && is_line).then_some(raw)
}

/// A line that sets a variable, with its line feed; `None` where this cron cannot be told so.
pub fn setting_line(name: &str, value: &[u8], dialect: Dialect) -> Option<Vec<u8>> {
    let plain = [name.as_bytes(), b"=", value, b"\n"].concat();
    let quoted = |quote: &[u8]| [name.as_bytes(), b"=", quote, value, quote, b"\n"].concat();
    [plain, quoted(b"\""), quoted(b"'")]
        .into_iter()
        .find(|line| {
            let table = Table::parse(line, dialect, Format::User);
            let [only] = table.lines.as_slice() else {
                return false;
            };
            matches!(&only.kind, LineKind::Env { name: n, value: v, truncated: false }
            if n == name.as_bytes() && v == value)
        })
}
