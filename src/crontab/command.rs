//! The `%` rule: what of an entry is the command and what its standard input.

use crate::crontab::dialect::Dialect;

/// A command as handed to the shell, and the bytes written to its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What the shell gets after `-c`.
    pub command: Vec<u8>,
    /// What cron writes to the standard input; `None` when it writes nothing.
    pub stdin: Option<Vec<u8>>,
}

/// Splits the command of an entry the way cron does before it starts the shell.
///
/// The first `%` without a backslash ends the command; in the rest each such `%` is a line feed,
/// `\%` is `%`, any other backslash stays, and a last line feed is added. In the command part `\%`
/// is `%`, and Debian alone also turns `\\` into `\`. Shell quotes protect nothing. Source:
/// crontab(5), and both daemons as measured.
pub fn split_command(raw: &[u8], dialect: Dialect) -> Command {
    let unescapes_backslash = dialect.rules().unescapes_backslash;
    let mut command = Vec::with_capacity(raw.len());
    let mut escaped = false;
    for (at, &byte) in raw.iter().enumerate() {
        if escaped {
            if byte == b'%' || (byte == b'\\' && unescapes_backslash) {
                command.pop();
            }
            escaped = false;
        } else if byte == b'%' {
            let input = raw.get(at + 1..).unwrap_or_default();
            return Command {
                command,
                stdin: (!input.is_empty()).then(|| input_text(input)),
            };
        } else {
            escaped = byte == b'\\';
        }
        command.push(byte);
    }
    Command {
        command,
        stdin: None,
    }
}

/// Translates the part after the first `%` into what the job reads.
fn input_text(input: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(input.len() + 1);
    let mut escaped = false;
    // cron asks for the line feed by the last ordinary byte; a backslash left over does not count.
    let mut needs_newline = false;
    for &byte in input {
        let mut byte = byte;
        if escaped {
            if byte != b'%' {
                text.push(b'\\');
            }
        } else if byte == b'%' {
            byte = b'\n';
        }
        escaped = byte == b'\\';
        if !escaped {
            text.push(byte);
            needs_newline = byte != b'\n';
        }
    }
    if escaped {
        text.push(b'\\');
    }
    if needs_newline {
        text.push(b'\n');
    }
    text
}
