//! Reading crontabs exactly as each cron reads them.
//!
//! Bytes in, values out: no file, clock or environment is looked at. A table keeps every line with
//! its place, so the bytes can be put together again and each entry traced back. What makes one
//! cron differ from another stands in [`Dialect`]; sources of the rules are crontab(5) and the
//! measured behaviour of Debian cron 3.0pl1-162 and cronie 1.7.2.

mod command;
mod cursor;
mod dialect;
mod disabled;
mod effective;
mod emulate;
mod entry;
mod env;
mod field;
mod host_words;
mod list;
mod log;
mod mark;
mod name;
mod problem;
mod shell_words;
mod table;
mod warning;
mod warning_text;
mod write;

pub use crate::crontab::command::{Command, split_command};
pub use crate::crontab::dialect::{Dialect, Format, UnknownName};
pub use crate::crontab::emulate::{CronClock, cron_fires};
pub use crate::crontab::entry::Entry;
pub use crate::crontab::field::{Field, FieldSets};
pub use crate::crontab::host_words::{
    fixed_time_within, leaves_it_to_systemd, parts_directory, programs,
};
pub use crate::crontab::log::{CronLog, Started, log_text};
pub use crate::crontab::mark::{MARK, Unmarked, mark, put_marks, unmark};
pub use crate::crontab::name::{SuggestedName, suggest_name, suggest_names};
pub use crate::crontab::problem::Problem;
pub use crate::crontab::table::{Line, LineKind, Refusal, Table, Verdict};
pub use crate::crontab::warning::{HostFacts, Warning, warnings};
pub use crate::crontab::write::{join_command, setting_line};
