//! The ways an expression is written.

use std::fmt;
use std::str::FromStr;

/// The way an expression is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Five fields, as in a crontab.
    Crontab,
    /// Six or seven fields: seconds first, years last.
    Seconds,
    /// `@daily` and its like, `@reboot` included.
    Nickname,
    /// `every 15m`.
    Every,
    /// `at 2027-01-31T08:00:00+01:00`.
    At,
}

impl Dialect {
    /// All dialects, in the order of their definition.
    pub const ALL: [Dialect; 5] = [
        Dialect::Crontab,
        Dialect::Seconds,
        Dialect::Nickname,
        Dialect::Every,
        Dialect::At,
    ];

    /// Returns the name, as it is written and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Crontab => "crontab",
            Dialect::Seconds => "seconds",
            Dialect::Nickname => "nickname",
            Dialect::Every => "every",
            Dialect::At => "at",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown schedule dialect {0:?}; write crontab, seconds, nickname, every or at")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(word: &str) -> Result<Dialect, UnknownDialect> {
        let found = Dialect::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == word);
        found.ok_or_else(|| UnknownDialect(word.to_owned()))
    }
}
