//! `:name` in a statement to what each engine calls a parameter. Values never become part of the text.

use crate::model::{Cell, SourceEngine};
use crate::source::error::{ErrorKind, Result, SourceError};

/// How an engine marks parameters, and what its texts look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// `?1`, as SQLite has them.
    Question,
    /// `$1`, dollar-quoted texts, `::` casts, nested comments, backslashes in `E''` only.
    Dollar,
    /// `?` for each occurrence, backslashes in texts, `#` comments.
    Each,
}

/// A statement in an engine's own form.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The statement, without a semicolon at its end.
    pub sql: String,
    /// The values in the order of the marks.
    pub values: Vec<Cell>,
    /// The length of each `:name` and of its mark, with its position in `sql`, in characters.
    shifts: Vec<(usize, isize)>,
}

impl Bound {
    /// A position in `sql` as a position in the statement that was written, both counted in
    /// characters from 1.
    pub fn written_position(&self, position: u32) -> u32 {
        let at = usize::try_from(position).unwrap_or(usize::MAX);
        let moved: isize = self
            .shifts
            .iter()
            .filter(|(mark, _)| *mark < at)
            .map(|(_, shift)| shift)
            .sum();
        let written = i64::from(position) + i64::try_from(moved).unwrap_or(0);
        u32::try_from(written).unwrap_or(position)
    }
}

/// Finds the parameters of a statement.
///
/// # Errors
/// `params`: a name that was not given, one given that does not occur, both with the names there
/// are; `sql`: a text or a comment without end, a second statement.
pub fn bind(sql: &str, params: &[(String, Cell)], marks: Marks) -> Result<Bound> {
    let chars: Vec<char> = sql.chars().collect();
    let mut scan = Scan::of(&chars, marks);
    scan.run(params)?;
    let unused: Vec<&str> = params
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !scan.names.iter().any(|n| n == name))
        .collect();
    if !unused.is_empty() {
        let message = format!("the query has no :{}", unused.join(", no :"));
        let found = match scan.names.is_empty() {
            true => "there are no parameters in the query".to_owned(),
            false => format!("it has {}", list(scan.names.iter())),
        };
        return Err(SourceError::new(ErrorKind::Params, message).hint(found));
    }
    let end = scan.ended.unwrap_or(scan.out.len());
    if scan.out[..end].iter().all(|c| c.is_whitespace()) {
        return Err(SourceError::new(ErrorKind::Sql, "there is no statement"));
    }
    Ok(Bound {
        sql: scan.out[..end].iter().collect(),
        values: scan.values,
        shifts: scan.shifts,
    })
}

/// The names of the parameters of a statement, each once, in order. What a command is asked is only a
/// text: it has none.
///
/// # Errors
/// `sql`: a text or a comment without end, a second statement.
pub fn names_of(engine: SourceEngine, sql: &str) -> Result<Vec<String>> {
    let marks = match engine {
        SourceEngine::Sqlite => Marks::Question,
        SourceEngine::Postgres => Marks::Dollar,
        SourceEngine::Mysql => Marks::Each,
        SourceEngine::Exec => return Ok(Vec::new()),
    };
    let chars: Vec<char> = sql.chars().collect();
    let mut scan = Scan::of(&chars, marks);
    scan.only_names = true;
    scan.run(&[])?;
    Ok(scan.names)
}

fn list<S: AsRef<str>>(names: impl Iterator<Item = S>) -> String {
    let names: Vec<String> = names.map(|n| format!(":{}", n.as_ref())).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

struct Scan<'a> {
    chars: &'a [char],
    at: usize,
    marks: Marks,
    out: Vec<char>,
    names: Vec<String>,
    values: Vec<Cell>,
    shifts: Vec<(usize, isize)>,
    /// Where in `out` the semicolon of the statement stands.
    ended: Option<usize>,
    /// Whether the names are wanted and no values are there.
    only_names: bool,
}

impl<'a> Scan<'a> {
    fn of(chars: &'a [char], marks: Marks) -> Scan<'a> {
        Scan {
            chars,
            at: 0,
            marks,
            out: Vec::with_capacity(chars.len()),
            names: Vec::new(),
            values: Vec::new(),
            shifts: Vec::new(),
            ended: None,
            only_names: false,
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn copy(&mut self, count: usize) {
        let end = (self.at + count).min(self.chars.len());
        self.out.extend_from_slice(&self.chars[self.at..end]);
        self.at = end;
    }

    fn run(&mut self, params: &[(String, Cell)]) -> Result<()> {
        while let Some(c) = self.peek(0) {
            let next = self.peek(1);
            let comment = self.begins_line_comment() || (c, next) == ('/', Some('*'));
            if self.ended.is_some() && !(comment || c.is_whitespace() || c == ';') {
                let message = "there is more than one statement";
                return Err(SourceError::new(ErrorKind::Sql, message)
                    .hint("a query is one statement; take away what follows the semicolon"));
            }
            match (c, next) {
                _ if self.begins_line_comment() => self.line_comment(),
                ('\'', _) => self.quoted('\'', self.backslashes(true))?,
                ('"', _) => self.quoted('"', self.backslashes(false))?,
                ('`', _) if self.marks != Marks::Dollar => self.quoted('`', false)?,
                ('[', _) if self.marks == Marks::Question => self.bracketed()?,
                ('/', Some('*')) => self.block_comment()?,
                ('$', _) if self.marks == Marks::Dollar => self.dollar()?,
                (':', Some(':')) => self.copy(2),
                (':', Some(n)) if begins_name(n) => self.name(params)?,
                (';', _) => {
                    self.ended.get_or_insert(self.out.len());
                    self.copy(1);
                }
                _ => self.copy(1),
            }
        }
        Ok(())
    }

    fn begins_line_comment(&self) -> bool {
        match (self.peek(0), self.peek(1)) {
            // To MySQL `1--1` is a sum; a comment needs a space behind its dashes.
            (Some('-'), Some('-')) if self.marks == Marks::Each => {
                self.peek(2).is_none_or(char::is_whitespace)
            }
            (Some('-'), Some('-')) => true,
            (Some('#'), _) => self.marks == Marks::Each,
            _ => false,
        }
    }

    /// Whether a backslash keeps the quote behind it from ending a text.
    fn backslashes(&self, single: bool) -> bool {
        match self.marks {
            Marks::Each => true,
            Marks::Question => false,
            Marks::Dollar => {
                let before = |n: usize| self.at.checked_sub(n).map(|at| self.chars[at]);
                let alone = before(2).is_none_or(|c| !c.is_alphanumeric() && c != '_');
                single && alone && matches!(before(1), Some('e' | 'E'))
            }
        }
    }

    fn quoted(&mut self, quote: char, backslashes: bool) -> Result<()> {
        self.copy(1);
        while let Some(c) = self.peek(0) {
            let doubled = c == quote && self.peek(1) == Some(quote);
            if doubled || (c == '\\' && backslashes) {
                self.copy(2);
            } else {
                self.copy(1);
                if c == quote {
                    return Ok(());
                }
            }
        }
        Err(endless(&format!("the text after {quote}")))
    }

    fn bracketed(&mut self) -> Result<()> {
        while let Some(c) = self.peek(0) {
            self.copy(1);
            if c == ']' {
                return Ok(());
            }
        }
        Err(endless("the name after ["))
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.copy(1);
        }
    }

    fn block_comment(&mut self) -> Result<()> {
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) if depth == 0 || self.marks == Marks::Dollar => {
                    depth += 1;
                    self.copy(2);
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    self.copy(2);
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.copy(1),
            }
        }
        Err(endless("the comment after /*"))
    }

    /// A text between two `$tag$`, or the dollar of a name.
    fn dollar(&mut self) -> Result<()> {
        let in_a_name = self.at.checked_sub(1).map(|at| self.chars[at]);
        let tag: Vec<char> = self.chars[self.at + 1..]
            .iter()
            .copied()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let closed = self.peek(tag.len() + 1) == Some('$');
        let digits = tag.first().is_some_and(|c| c.is_ascii_digit());
        if !closed || digits || in_a_name.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.copy(1);
            return Ok(());
        }
        let mark: Vec<char> = [&['$'], tag.as_slice(), &['$']].concat();
        self.copy(mark.len());
        while self.at < self.chars.len() {
            if self.chars[self.at..].starts_with(&mark) {
                self.copy(mark.len());
                return Ok(());
            }
            self.copy(1);
        }
        let mark: String = mark.into_iter().collect();
        Err(endless(&format!("the text after {mark}")))
    }

    fn name(&mut self, params: &[(String, Cell)]) -> Result<()> {
        let name: String = self.chars[self.at + 1..]
            .iter()
            .take_while(|c| c.is_alphanumeric() || **c == '_')
            .collect();
        if self.only_names {
            self.at += name.chars().count() + 1;
            if !self.names.contains(&name) {
                self.names.push(name);
            }
            self.out.push('?');
            return Ok(());
        }
        let Some((_, value)) = params.iter().find(|(n, _)| *n == name) else {
            let known = list(params.iter().map(|(n, _)| n));
            let message = format!("there is no value for :{name}");
            return Err(SourceError::new(ErrorKind::Params, message)
                .hint(format!("the parameters there are: {known}")));
        };
        let known = self.names.iter().position(|n| *n == name);
        if known.is_none() || self.marks == Marks::Each {
            self.values.push(value.clone());
        }
        if known.is_none() {
            self.names.push(name.clone());
        }
        let number = known.unwrap_or(self.names.len() - 1) + 1;
        let mark = match self.marks {
            Marks::Question => format!("?{number}"),
            Marks::Dollar => format!("${number}"),
            Marks::Each => "?".to_owned(),
        };
        let count = |text: &str| isize::try_from(text.chars().count()).unwrap_or(0);
        let shift = count(&name) + 1 - count(&mark);
        self.shifts.push((self.out.len() + 1, shift));
        self.out.extend(mark.chars());
        self.at += name.chars().count() + 1;
        Ok(())
    }
}

/// The first word of a statement, in capitals; nothing where it begins with a comment that MySQL
/// executes, or with what is no word.
pub(in crate::source) fn first_word(sql: &str) -> Option<String> {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        if rest.starts_with("--") || rest.starts_with('#') {
            rest = rest.split_once('\n')?.1;
        } else if rest.starts_with("/*!") || rest.starts_with("/*M!") {
            return None;
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/")?.1;
        } else {
            break;
        }
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic());
    let word = &rest[..end.unwrap_or(rest.len())];
    Some(word.to_ascii_uppercase()).filter(|w| !w.is_empty())
}

fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn endless(what: &str) -> SourceError {
    SourceError::new(ErrorKind::Sql, format!("{what} has no end"))
}
