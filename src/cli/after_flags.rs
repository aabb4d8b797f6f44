//! The flags that say what comes after a run: jobs that follow, and how long it is kept.

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::flags::{Limit, bytes, limit};
use crate::model::{Follow, Keep, check_name, format_duration};
use crate::store::Store;

/// The flags.
#[derive(clap::Args, Debug, Default, PartialEq)]
pub struct AfterFlags {
    /// Run this job when it has succeeded; may be given more than once, none takes all away
    #[arg(long, value_name = "JOB|none", help_heading = "Then")]
    on_success: Vec<String>,
    /// Run this job when it has failed; may be given more than once, none takes all away
    #[arg(long, value_name = "JOB|none", help_heading = "Then")]
    on_failure: Vec<String>,
    /// Run it when this job has succeeded; may be given more than once, none takes all away
    #[arg(long, value_name = "JOB|none", help_heading = "Then")]
    after: Vec<String>,
    /// Keep at most so many of its runs, or none for no bound of its own
    #[arg(long, value_name = "N|none", help_heading = "Then", value_parser = number)]
    keep_runs: Option<Bound<u32>>,
    /// Keep its runs and their output no longer than this
    #[arg(long, value_name = "D|none", help_heading = "Then", value_parser = limit)]
    keep_for: Option<Limit>,
    /// Keep at most so many bytes of output of all its runs, such as 64K or 1G
    #[arg(long, value_name = "BYTES|none", help_heading = "Then", value_parser = size)]
    keep_output: Option<Bound<u64>>,
}

/// A number, or no bound.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound<T>(Option<T>);

fn number(text: &str) -> Result<Bound<u32>, String> {
    match text {
        "none" => Ok(Bound(None)),
        _ => match text.parse() {
            Ok(number @ 1..) => Ok(Bound(Some(number))),
            _ => Err("write 1 or more, or none".to_owned()),
        },
    }
}

fn size(text: &str) -> Result<Bound<u64>, String> {
    match text {
        "none" => Ok(Bound(None)),
        _ => bytes(text).map(|bytes| Bound(Some(bytes))),
    }
}

impl AfterFlags {
    /// Writes what was given into a definition and leaves the rest of it.
    ///
    /// # Errors
    /// What cannot be a job's name.
    pub fn apply(&self, follow: &mut Follow, keep: &mut Keep) -> Result<(), CliError> {
        for (given, list) in [
            (&self.on_success, &mut follow.on_success),
            (&self.on_failure, &mut follow.on_failure),
            (&self.after, &mut follow.after),
        ] {
            if !given.is_empty() {
                *list = given
                    .iter()
                    .filter(|name| *name != "none")
                    .cloned()
                    .collect();
            }
        }
        check(follow)?;
        if let Some(Bound(runs)) = self.keep_runs {
            keep.runs = runs;
        }
        if let Some(limit) = self.keep_for {
            keep.for_ms = limit.ms();
        }
        if let Some(Bound(bytes)) = self.keep_output {
            keep.output = bytes;
        }
        Ok(())
    }
}

/// Checks the names of jobs that follow or are followed.
///
/// # Errors
/// What cannot be a job's name.
pub fn check(follow: &Follow) -> Result<(), CliError> {
    let names = [&follow.on_success, &follow.on_failure, &follow.after];
    names
        .into_iter()
        .flatten()
        .try_for_each(|name| Ok(check_name(name)?))
}

/// Says on standard error which jobs a definition names that there are not.
///
/// # Errors
/// Those of reading the store.
pub fn warn_of_unknown(ctx: &Context, store: &Store, job: &str) -> Result<(), CliError> {
    for row in store.unknown_follows()? {
        for name in [&row.follower, &row.upstream] {
            if row.owner == job && store.job(name)?.is_none() {
                ctx.say(&format!("warning: there is no job named \"{name}\" yet"));
            }
        }
    }
    Ok(())
}

/// Makes sure that no other definition names a job.
///
/// # Errors
/// One does; with which, and what to do.
pub fn refuse_followed(store: &Store, job: &str, except: &[String]) -> Result<(), CliError> {
    let rows = store.missed_by(job)?;
    let Some(row) = rows.iter().find(|row| !except.contains(&row.owner)) else {
        return Ok(());
    };
    let text = match row.follower == job {
        true => format!("{job} runs after {}", row.upstream),
        false => format!("{} runs after {job}", row.follower),
    };
    let owner = &row.owner;
    Err(
        CliError::new(Kind::Refused, format!("{text}, as {owner} says")).hint(format!(
            "change {owner} first with `crake edit {owner}`, or say --force"
        )),
    )
}

/// What comes after a run of a job, a line each.
///
/// # Errors
/// Those of reading the store.
pub fn in_words(
    store: &Store,
    job: &str,
    keep: &Keep,
) -> Result<Vec<(&'static str, String)>, CliError> {
    let mut lines = Vec::new();
    for row in store.follows(job)? {
        let gone = |name: &str| -> Result<&str, CliError> {
            Ok(if store.job(name)?.is_some() {
                ""
            } else {
                " (no such job)"
            })
        };
        let says = match row.owner == job {
            true => String::new(),
            false => format!(", as {} says", row.owner),
        };
        lines.push(match row.upstream == job {
            true => {
                let known = gone(&row.follower)?;
                (
                    "then",
                    format!("{}: {}{known}{says}", row.whence, row.follower),
                )
            }
            false => {
                let known = gone(&row.upstream)?;
                (
                    "after",
                    format!("{} of {}{known}{says}", row.whence, row.upstream),
                )
            }
        });
    }
    let parts = [
        keep.runs.map(|n| format!("the last {n} runs")),
        keep.for_ms
            .map(|ms| format!("runs for {}", format_duration(ms))),
        keep.output.map(|n| format!("{n} bytes of output")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        lines.push(("keep", parts.join(", ")));
    }
    Ok(lines)
}
