//! The crons whose tables can be read, and what sets their readers apart.
//!
//! Every difference is a value in [`Rules`], so a new dialect is a new table row and no branch in
//! the reader.

use std::fmt;
use std::str::FromStr;

/// A cron whose reading of a table is reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Debian's cron 3.0pl1 (measured on 3.0pl1-162).
    Debian,
    /// cronie (measured on 1.7.2).
    Cronie,
}

/// Who a table belongs to, which decides whether its entries carry a user column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The table of an ordinary user: no user column, and no leading `-` in cronie.
    User,
    /// The table of root: no user column, but the leading `-` of cronie is allowed.
    Root,
    /// `/etc/crontab` and `/etc/cron.d`: a user column between schedule and command.
    System,
}

/// A dialect or format name that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{word}`; known: {known}")]
pub struct UnknownName {
    what: &'static str,
    word: String,
    known: &'static str,
}

/// How one cron reads a table, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Text after a complete list item is dropped instead of refused (`fri#2` is `fri`).
    pub drops_junk: bool,
    /// `lo~hi` picks a value when the table is loaded.
    pub random: bool,
    /// A reversed range that ends in 0 ends in 7 instead, in every field, unless a step follows.
    pub zero_end_is_seven: bool,
    /// Both ends of a range must lie in the field even if the range is reversed.
    pub checks_both_ends: bool,
    /// A step that is negative after wrapping to 32 bits is refused at once.
    pub refuses_negative_step: bool,
    /// Field readers hand characters on as signed bytes, so 0xFF looks like the end of the file.
    pub byte_ff_is_end: bool,
    /// Longest number or name in a field.
    pub word_limit: usize,
    /// Longest part of an environment line that is looked at; the rest is cut silently.
    pub env_limit: usize,
    /// `NAME=` with nothing behind it is a setting.
    pub empty_value: bool,
    /// A quoted value loses its trailing blanks and one more pair of quotes.
    pub trims_quoted_value: bool,
    /// Longest command kept.
    pub command_limit: usize,
    /// A longer command is an error; otherwise it is cut silently.
    pub long_command_is_error: bool,
    /// An entry may have no command at all.
    pub empty_command: bool,
    /// Blanks between the user column and the command belong to the command.
    pub keeps_blanks_after_user: bool,
    /// A `*` in the place of the user column is refused as one star too many.
    pub star_user_is_error: bool,
    /// A leading `-` (do not log) and `-n` before the command (mail on failure) are options.
    pub options: bool,
    /// `\\` in the command part becomes `\`.
    pub unescapes_backslash: bool,
    /// One bad line or a missing last newline makes the daemon ignore the whole table.
    pub error_spoils_table: bool,
    /// Most lines, settings and entries a table may have.
    pub max_lines: usize,
    pub max_settings: usize,
    pub max_entries: usize,
}

const DEBIAN: Rules = Rules {
    drops_junk: true,
    random: false,
    zero_end_is_seven: false,
    checks_both_ends: true,
    refuses_negative_step: true,
    byte_ff_is_end: true,
    word_limit: 999,
    env_limit: 998,
    empty_value: false,
    trims_quoted_value: true,
    command_limit: 998,
    long_command_is_error: true,
    empty_command: true,
    keeps_blanks_after_user: true,
    star_user_is_error: false,
    options: false,
    unescapes_backslash: true,
    error_spoils_table: true,
    max_lines: 10_000,
    max_settings: usize::MAX,
    max_entries: usize::MAX,
};

const CRONIE: Rules = Rules {
    drops_junk: false,
    random: true,
    zero_end_is_seven: true,
    checks_both_ends: false,
    refuses_negative_step: false,
    byte_ff_is_end: false,
    word_limit: 131_071,
    env_limit: 131_071,
    empty_value: true,
    trims_quoted_value: false,
    command_limit: 131_071,
    long_command_is_error: false,
    empty_command: false,
    keeps_blanks_after_user: false,
    star_user_is_error: true,
    options: true,
    unescapes_backslash: false,
    error_spoils_table: false,
    max_lines: usize::MAX,
    max_settings: 1_000,
    max_entries: 10_000,
};

impl Dialect {
    /// All dialects, in the order they are listed to a user.
    pub const ALL: [Dialect; 2] = [Dialect::Debian, Dialect::Cronie];

    /// The word used on the command line and in stored definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Debian => "debian",
            Dialect::Cronie => "cronie",
        }
    }

    /// What sets this cron's reader apart.
    pub(crate) fn rules(self) -> &'static Rules {
        match self {
            Dialect::Debian => &DEBIAN,
            Dialect::Cronie => &CRONIE,
        }
    }

    /// Whether one bad line makes this cron's daemon ignore the whole table (Debian) instead of
    /// that line alone (cronie). Measured on both daemons.
    pub fn error_spoils_table(self) -> bool {
        self.rules().error_spoils_table
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Dialect {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Dialect, UnknownName> {
        Dialect::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == word)
            .ok_or_else(|| UnknownName {
                what: "dialect",
                word: word.to_owned(),
                known: "debian, cronie",
            })
    }
}

impl Format {
    /// The word used on the command line and in stored definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::User => "user",
            Format::Root => "root",
            Format::System => "system",
        }
    }

    /// Whether entries carry a user column.
    pub fn has_user_column(self) -> bool {
        self == Format::System
    }

    /// Whether the owner may switch off logging with a leading `-` (cronie).
    pub(crate) fn may_disable_log(self) -> bool {
        self != Format::User
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Format, UnknownName> {
        [Format::User, Format::Root, Format::System]
            .into_iter()
            .find(|format| format.as_str() == word)
            .ok_or_else(|| UnknownName {
                what: "table format",
                word: word.to_owned(),
                known: "user, root, system",
            })
    }
}
