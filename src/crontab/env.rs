//! Environment lines: `name = value`, tried on every line before it is read as an entry.

use crate::crontab::cursor::is_space;
use crate::crontab::dialect::Rules;

/// A setting, and where a NUL cut it off.
pub(crate) struct Setting {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    /// The dialect looked at less than the whole line.
    pub truncated: bool,
    /// Length with the NUL that ended it; what follows is read as a line of its own.
    pub cut: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    NameStart,
    Name,
    BeforeEquals,
    AfterEquals,
    Value,
    Finished,
}

/// Reads `text` (a line without leading blanks and line feed) as a setting, or returns `None` when
/// cron would go on to read it as an entry.
///
/// Name and value may be quoted, nothing is expanded, and a `#` or an inner quote is part of the
/// value: crontab(5), and `load_env` of both crons as measured.
pub(crate) fn read_setting(text: &[u8], rules: &Rules) -> Option<Setting> {
    let whole = text
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(text.len());
    let seen = text.get(..whole.min(rules.env_limit)).unwrap_or(text);
    let mut reader = Reader::default();
    let mut at = 0;
    while let Some(&byte) = seen.get(at) {
        at += reader.step(byte)?;
    }
    let (name, value) = reader.finish(rules)?;
    let cut = (whole < text.len()).then_some(whole + 1);
    Some(Setting {
        name,
        value,
        truncated: whole > rules.env_limit,
        cut,
    })
}

struct Reader {
    state: State,
    quote: Option<u8>,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader {
            state: State::NameStart,
            quote: None,
            name: Vec::new(),
            value: Vec::new(),
        }
    }
}

impl Reader {
    /// Takes one byte, says how many bytes to go forward, or `None` when this is no setting.
    fn step(&mut self, byte: u8) -> Option<usize> {
        match self.state {
            State::NameStart => {
                self.state = State::Name;
                self.open_quote(byte)
            }
            State::Name => self.name_byte(byte),
            State::BeforeEquals => {
                if byte == b'=' {
                    self.state = State::AfterEquals;
                    self.quote = None;
                } else if !is_space(byte) {
                    return None;
                }
                Some(1)
            }
            State::AfterEquals => {
                if is_space(byte) {
                    return Some(1);
                }
                self.state = State::Value;
                self.open_quote(byte)
            }
            State::Value => {
                if self.quote == Some(byte) {
                    self.state = State::Finished;
                } else {
                    self.value.push(byte);
                }
                Some(1)
            }
            State::Finished => is_space(byte).then_some(1),
        }
    }

    fn open_quote(&mut self, byte: u8) -> Option<usize> {
        if matches!(byte, b'\'' | b'"') {
            self.quote = Some(byte);
            return Some(1);
        }
        Some(0)
    }

    fn name_byte(&mut self, byte: u8) -> Option<usize> {
        match self.quote {
            Some(quote) if byte == quote => self.state = State::BeforeEquals,
            Some(_) if byte == b'=' => return None,
            None if is_space(byte) => self.state = State::BeforeEquals,
            None if byte == b'=' => {
                self.state = State::BeforeEquals;
                return Some(0);
            }
            _ => self.name.push(byte),
        }
        Some(1)
    }

    fn finish(mut self, rules: &Rules) -> Option<(Vec<u8>, Vec<u8>)> {
        match self.state {
            State::Value if self.quote.is_none() => trim_end(&mut self.value),
            State::Finished => {}
            State::AfterEquals if rules.empty_value => {}
            _ => return None,
        }
        if rules.trims_quoted_value {
            trim_end(&mut self.value);
            strip_quotes(&mut self.value);
        }
        Some((self.name, self.value))
    }
}

fn trim_end(value: &mut Vec<u8>) {
    while value.last().is_some_and(|&byte| is_space(byte)) {
        value.pop();
    }
}

/// Takes off a second pair of quotes, as Debian's reader does after it has taken the first.
fn strip_quotes(value: &mut Vec<u8>) {
    let quoted = match value.as_slice() {
        [first, .., last] => first == last && matches!(first, b'\'' | b'"'),
        _ => false,
    };
    if quoted {
        value.pop();
        value.remove(0);
    }
}
