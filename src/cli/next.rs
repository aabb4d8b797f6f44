//! `crake next`: when something fires.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::{CliError, nearest};
use crate::cli::moment::instant;
use crate::cli::{complete, read_schedule};
use crate::model::{Pause, Terms, check_name};
use crate::schedule::{DstRule, Schedule, UnixMs, Zone};
use crate::store::{JobRow, NewSchedule, Store};
use crate::view::time::{in_full, relative, rfc3339};

/// Show when a schedule, a job, or all jobs fire next
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake next '*/20 9-17 * * mon-fri' -n 3
  crake next backup --from 2027-03-28 --tz Europe/Berlin
  crake next                  the next fires of all jobs")]
pub struct NextArgs {
    /// A schedule (one quoted argument) or a job; all jobs if not given
    #[arg(value_name = "EXPR|JOB", allow_hyphen_values = true,
        add = ArgValueCandidates::new(complete::job_names))]
    what: Option<String>,
    /// How many fires
    #[arg(short, value_name = "N")]
    n: Option<usize>,
    /// Time zone of the schedule; for a job, the zone its times are shown in
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Fires after this instant: RFC 3339, "YYYY-MM-DD HH:MM" in the zone, 2h or -2h; now if not
    /// given
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    from: Option<String>,
    /// Fires up to this instant
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    until: Option<String>,
    /// What to do when the zone's clock changes
    #[arg(long, value_name = "RULE",
        value_parser = PossibleValuesParser::new(["vixie", "skip", "both", "utc"]).try_map(|w| w.parse::<DstRule>()))]
    dst: Option<DstRule>,
}

/// Fires shown where no number and no end is given.
const USUAL: usize = 10;

/// Most fires shown where only an end is given.
const MOST: usize = 10_000;

/// A schedule whose fires are asked for.
struct Source {
    job: Option<String>,
    schedule: Schedule,
    pauses: Vec<Pause>,
    shown_in: Zone,
}

struct Fire<'a> {
    at: UnixMs,
    source: &'a Source,
}

/// Shows when something fires.
///
/// # Errors
/// An invalid schedule, an unknown job, zone or instant.
pub fn next(ctx: &Context, args: NextArgs) -> Result<u8, CliError> {
    let sources = sources(ctx, &args)?;
    let zone = match (&args.tz, sources.as_slice()) {
        (Some(name), _) => Zone::named(name)?,
        (None, [one]) => one.shown_in.clone(),
        (None, _) => ctx.zone.clone(),
    };
    let now = ctx.now();
    let instant = |text: &Option<String>| {
        text.as_ref()
            .map(|text| instant(text, &zone, now, 1))
            .transpose()
    };
    let from = instant(&args.from)?.unwrap_or(now);
    let until = instant(&args.until)?.unwrap_or(UnixMs::MAX);
    let limit = match (args.n, &args.until) {
        (Some(n), _) => n,
        (None, Some(_)) => MOST,
        (None, None) => USUAL,
    };
    let fires = merged(&sources, from, until, limit);
    ctx.answer(
        || fires.iter().map(|fire| fire.json(now)).collect(),
        |out| {
            for fire in &fires {
                writeln!(out, "{}", fire.line(now))?;
            }
            Ok(())
        },
    )?;
    say_why_none(ctx, &args, &sources, &fires);
    if args.n.is_none() && fires.len() == MOST {
        ctx.say(&format!(
            "only the first {MOST} are shown; -n N asks for more"
        ));
    }
    Ok(0)
}

fn sources(ctx: &Context, args: &NextArgs) -> Result<Vec<Source>, CliError> {
    let Some(what) = &args.what else {
        let store = ctx.read()?;
        return store.jobs()?.iter().try_fold(Vec::new(), |mut all, row| {
            all.extend(of_job(ctx, args, row)?);
            Ok(all)
        });
    };
    // What cannot be a name needs no store.
    let store = match check_name(what) {
        Err(_) => None,
        Ok(()) => Some(ctx.read()?),
    };
    if let Some(row) = store.as_ref().map(|s| s.job(what)).transpose()?.flatten() {
        return of_job(ctx, args, &row);
    }
    expression(ctx, args, what).map_err(|error| match &store {
        Some(store) if !read_schedule::looks_like_schedule(what) => {
            unknown(store, what).unwrap_or(error)
        }
        _ => error,
    })
}

/// What to say of a word that is neither a job nor a schedule.
fn unknown(store: &Store, what: &str) -> Option<CliError> {
    let names = store.job_names().ok()?;
    let error = CliError::no_job(what, &names);
    Some(match nearest(what, &names) {
        Some(_) => error,
        None => error.hint("write a schedule as one quoted argument, such as '30 2 * * *'"),
    })
}

fn expression(ctx: &Context, args: &NextArgs, expr: &str) -> Result<Vec<Source>, CliError> {
    let new = NewSchedule {
        expr: expr.to_owned(),
        zone: args.tz.clone(),
        dst: args.dst.unwrap_or_default().to_string(),
        anchor: None,
        terms: Terms::default(),
    };
    let schedule = read_schedule::read(ctx, &new)?;
    for warning in schedule.warnings() {
        if !warning.starts_with("never fires") {
            ctx.say(&format!("note: {warning}"));
        }
    }
    Ok(vec![Source {
        job: None,
        shown_in: schedule.zone().clone(),
        schedule,
        pauses: Vec::new(),
    }])
}

fn of_job(ctx: &Context, args: &NextArgs, row: &JobRow) -> Result<Vec<Source>, CliError> {
    let shown_in = args.tz.as_deref().map(Zone::named).transpose()?;
    row.schedules
        .iter()
        .map(|(planned, _)| {
            let mut new = read_schedule::as_new(planned);
            if let Some(dst) = args.dst {
                new.dst = dst.to_string();
            }
            let schedule = read_schedule::read(ctx, &new)
                .map_err(|e| CliError::new(e.kind, format!("{}: {}", row.job.name, e.message)))?;
            Ok(Source {
                job: Some(row.job.name.clone()),
                shown_in: shown_in.clone().unwrap_or(schedule.zone().clone()),
                schedule,
                pauses: row.job.pauses.clone(),
            })
        })
        .collect()
}

/// The fires of all sources in order; those at the same instant in the order of the sources.
fn merged(sources: &[Source], from: UnixMs, until: UnixMs, limit: usize) -> Vec<Fire<'_>> {
    let following = |index: usize, after: UnixMs| {
        let at = sources.get(index)?.schedule.next_after(after)?;
        (at <= until).then_some(Reverse((at, index)))
    };
    let mut heads: BinaryHeap<Reverse<(UnixMs, usize)>> = (0..sources.len())
        .filter_map(|index| following(index, from))
        .collect();
    let mut fires = Vec::new();
    while fires.len() < limit
        && let Some(Reverse((at, index))) = heads.pop()
    {
        heads.extend(following(index, at));
        if let Some(source) = sources.get(index) {
            fires.push(Fire { at, source });
        }
    }
    fires
}

impl Fire<'_> {
    fn note(&self) -> Option<String> {
        let moved = read_schedule::note(&self.source.schedule, self.at);
        let pause = self.source.pauses.iter().find(|p| p.covers(self.at));
        let paused = pause.map(|p| format!("paused by {}", p.by));
        match (moved, paused) {
            (Some(moved), Some(paused)) => Some(format!("{moved}; {paused}")),
            (moved, paused) => moved.or(paused),
        }
    }

    fn json(&self, now: UnixMs) -> Value {
        json!({
            "at": rfc3339(self.at, &self.source.shown_in),
            "in_ms": self.at - now,
            "job": self.source.job,
            "schedule": self.source.schedule.text(),
            "zone": self.source.schedule.zone().name(),
            "note": self.note(),
        })
    }

    fn line(&self, now: UnixMs) -> String {
        let mut line = in_full(self.at, &self.source.shown_in);
        line.push_str(&format!("  {:<10}", relative(self.at, now)));
        if let Some(job) = &self.source.job {
            line.push_str(&format!("  {job}"));
        }
        if let Some(note) = self.note() {
            line.push_str(&format!("  ({note})"));
        }
        line.trim_end().to_owned()
    }
}

/// Says on standard error why there is nothing to show.
fn say_why_none(ctx: &Context, args: &NextArgs, sources: &[Source], fires: &[Fire<'_>]) {
    if !fires.is_empty() || args.n == Some(0) {
        return;
    }
    match (sources, &args.what) {
        ([], Some(job)) => ctx.say(&format!(
            "note: {job} has no schedule; `crake edit {job} -s SCHEDULE` gives it one"
        )),
        ([], None) => ctx.say("note: no job has a schedule"),
        (many, _) => {
            for source in many {
                let (text, schedule) = (source.schedule.text(), &source.schedule);
                match schedule.next_after(ctx.now()) {
                    Some(_) => ctx.say(&format!("note: `{text}` has no fire in that span")),
                    None => {
                        let why = read_schedule::why_none(schedule);
                        ctx.say(&format!("note: `{text}` {why}"));
                    }
                }
            }
        }
    }
}
