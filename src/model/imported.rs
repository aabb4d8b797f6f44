//! What an imported job keeps of the table it came from.

use serde::{Deserialize, Serialize};

use crate::model::Raw;

/// Where a job stood in a crontab, and what that said of it when it was last read.
///
/// `said` is the common ground of a later import: what differs from it in the table was changed
/// there, and what differs from it in the job was changed here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Names the entry for good: eight hexadecimal digits, also in the mark of a line taken over.
    pub id: String,
    /// The table: its path, or `-`.
    pub source: String,
    /// The number of its line.
    pub line: usize,
    /// The line as it stands there, without the line feed.
    pub text: Raw,
    /// The name it was offered.
    pub name: String,
    /// It stands there commented out.
    #[serde(default)]
    pub disabled: bool,
    /// Its cron mails only what fails (`-n` of cronie).
    #[serde(default)]
    pub mail_on_failure: bool,
    /// Its cron does not log it (the leading `-` of cronie).
    #[serde(default)]
    pub no_log: bool,
    /// `MAILTO` as it holds for the entry; none where the owner gets the mail, empty where nobody.
    #[serde(default)]
    pub mail_to: Option<Raw>,
    /// What the table said.
    pub said: Said,
}

/// What a table can say of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The schedule in the strict grammar.
    pub schedule: String,
    /// The zone it is read in, where the table or the import named one.
    pub zone: Option<String>,
    /// What is done when that zone's clock changes.
    pub dst: String,
    /// The longest delay of a start, milliseconds.
    pub jitter_ms: i64,
    /// The user it runs as, where that is not the owner of the instance.
    pub user: Option<String>,
    /// What the shell gets.
    pub command: Raw,
    /// Its standard input.
    pub stdin: Option<Raw>,
    /// The shell.
    pub shell: Option<String>,
    /// The settings above it, in order.
    pub env: Vec<(String, Raw)>,
    /// Whose rules hold.
    pub engine: String,
}
