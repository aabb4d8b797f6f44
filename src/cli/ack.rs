//! `crake ack`: somebody has seen how a run ended.

use clap_complete::engine::ArgValueCandidates;

use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::ending::title;
use crate::cli::error::{CliError, Kind};
use crate::cli::selector::{Selector, select};
use crate::model::parse_duration;
use crate::store::{Ack, Store};
use crate::view::items::Items;
use crate::view::time::{in_full, stamp};
use crate::view::words::is_failure;

/// Take note of a run that failed: it needs no attention any more
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  crake ack backup-db 'disk was full, see ticket 4711'
  crake ack 1846 --for 2d

With --for it needs attention again afterwards, unless the job has succeeded by then. Fires that
were missed are taken note of with `crake missed --ack`.")]
pub struct AckArgs {
    /// A job, of which the latest run that failed is meant, or a run: 1842, JOB~1, JOB@fail
    #[arg(value_name = "JOB|RUN", add = ArgValueCandidates::new(complete::job_names))]
    run: String,
    /// What is known of it, for those who come after
    #[arg(value_name = "NOTE")]
    note: Option<String>,
    /// For this long; without it, for good
    #[arg(long = "for", value_name = "D")]
    length: Option<String>,
}

/// Takes note of a run that failed.
///
/// # Errors
/// No such run, one that did not fail.
pub fn ack(ctx: &Context, args: AckArgs) -> Result<u8, CliError> {
    let now = ctx.now();
    let length = args.length.as_deref().map(parse_duration).transpose();
    let length = length.map_err(|e| CliError::new(Kind::Usage, e.to_string()))?;
    let mut store = ctx.write()?;
    let run = meant(&store, &args.run)?;
    if !run.state.outcome().is_some_and(is_failure) {
        let text = format!("{} did not fail: it is {}", title(&run), run.state.as_str());
        return Err(
            CliError::new(Kind::Refused, text).hint("`crake status` shows what needs attention")
        );
    }
    let ack = Ack {
        at: now,
        by: ctx.user.name.clone(),
        note: args.note.filter(|note| !note.is_empty()),
        until: length.map(|ms| now + ms),
    };
    store.acknowledge_run(run.run, &ack)?;
    ctx.nudge();
    let items = Items::new(&ctx.zone);
    let mut value = items.run(&run);
    value["ack"] = items.ack(Some(&ack));
    ctx.answer_one(
        || value,
        |out| {
            let until = match ack.until {
                Some(until) => format!(" until {}", stamp(until, &ctx.zone, now)),
                None => String::new(),
            };
            writeln!(out, "took note of {}{until}", title(&run))
        },
    )?;
    Ok(0)
}

/// A bare name means the latest run of the job that failed: that is the one on the list.
fn meant(store: &Store, text: &str) -> Result<crate::store::RunRow, CliError> {
    let latest = select(store, text)?.run;
    let failed = latest.state.outcome().is_some_and(is_failure);
    match Selector::parse(text)? {
        Selector::Back(job, 0) if !failed => {
            Ok(select(store, &format!("{job}@fail")).map_or(latest, |selected| selected.run))
        }
        _ => Ok(latest),
    }
}

/// What somebody said of a run, in words.
pub fn in_words(ctx: &Context, ack: &Ack) -> String {
    let note = ack.note.as_ref();
    let note = note.map_or(String::new(), |note| format!(": {note}"));
    let until = match ack.until {
        Some(until) => format!(", until {}", in_full(until, &ctx.zone)),
        None => String::new(),
    };
    let at = in_full(ack.at, &ctx.zone);
    format!("acknowledged by {} {at}{until}{note}", ack.by)
}
