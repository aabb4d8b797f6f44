//! A position in one line, with the reading habits of the original crons.

/// Reads one line byte by byte; the end of the line reads as a line feed for ever.
///
/// The field readers of cron never go past a line feed, so a line at a time is enough for them.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at `at` in `line`, which holds no line feed.
    pub fn new(line: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { line, at }
    }

    pub fn peek(&self) -> u8 {
        self.line.get(self.at).copied().unwrap_or(b'\n')
    }

    pub fn bump(&mut self) {
        if self.at < self.line.len() {
            self.at += 1;
        }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes from `start` to here.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.line.get(start..self.at).unwrap_or_default()
    }

    pub fn skip_blanks(&mut self) {
        while is_blank(self.peek()) {
            self.bump();
        }
    }

    pub fn skip_nonblanks(&mut self) {
        while !is_blank(self.peek()) && self.at < self.line.len() {
            self.bump();
        }
    }

    /// Reads up to a blank, the end of the line or a NUL, and leaves the cursor on it.
    ///
    /// cron looks terminators up with `strchr`, which finds a NUL in every set of terminators, so
    /// a NUL byte ends each word, command and setting.
    pub fn word(&mut self) -> &'a [u8] {
        let start = self.at;
        while self.at < self.line.len() && !is_blank(self.peek()) && self.peek() != 0 {
            self.at += 1;
        }
        self.since(start)
    }

    /// Reads to the end of the line or to a NUL, and leaves the cursor on it.
    pub fn rest(&mut self) -> &'a [u8] {
        let start = self.at;
        while self.at < self.line.len() && self.peek() != 0 {
            self.at += 1;
        }
        self.since(start)
    }
}

/// The only separators of a table: space and tab (vertical tab and form feed are not, measured).
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// `isspace` of the C locale, which is what the setting reader uses.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
