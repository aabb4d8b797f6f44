//! `crake next`: when something fires.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::moment::instant;
use crate::cli::next_sources::{self, Source, Wanted};
use crate::cli::{complete, next_week, read_schedule, terms};
use crate::schedule::{DstRule, UnixMs, Zone};
use crate::view::notes::note;
use crate::view::text::clean_all;
use crate::view::time::{in_full, relative, rfc3339};
use crate::view::timetable::Upcoming;

/// Show when schedules, jobs, or all jobs fire next
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake next '*/20 9-17 * * mon-fri' -n 3
  crake next backup --from 2027-03-28 --tz Europe/Berlin
  crake next backup report --until tomorrow
  crake next                  the next fires of all jobs
  crake next --week           how many fires in each hour of seven days")]
pub struct NextArgs {
    /// A schedule (one quoted argument) or a job; all jobs if not given
    #[arg(value_name = "EXPR|JOB", allow_hyphen_values = true,
        add = ArgValueCandidates::new(complete::job_names))]
    what: Option<String>,
    /// More of them, to be merged
    #[arg(value_name = "EXPR|JOB", add = ArgValueCandidates::new(complete::job_names))]
    more: Vec<String>,
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
    #[arg(
        long,
        value_name = "T",
        allow_hyphen_values = true,
        conflicts_with = "week"
    )]
    until: Option<String>,
    /// What to do when the zone's clock changes
    #[arg(long, value_name = "RULE",
        value_parser = PossibleValuesParser::new(["vixie", "skip", "both", "utc"]).try_map(|w| w.parse::<DstRule>()))]
    dst: Option<DstRule>,
    /// A grid of seven days: how many fires in each hour
    #[arg(long, conflicts_with = "n")]
    week: bool,
    /// Show what a calendar excludes too, and in the grid what fires more than twice an hour
    #[arg(long)]
    all: bool,
}

/// Fires shown where no number and no end is given.
const USUAL: usize = 10;

/// Most fires shown where only an end is given.
const MOST: usize = 10_000;

struct Fire<'a> {
    at: UnixMs,
    source: &'a Source,
    excluded: Option<String>,
}

/// Which fires are asked for.
struct Span {
    from: UnixMs,
    until: UnixMs,
    now: UnixMs,
    /// With those a calendar excludes.
    all: bool,
}

/// Shows when something fires.
///
/// # Errors
/// An invalid schedule, an unknown job, zone or instant.
pub fn next(ctx: &Context, args: NextArgs) -> Result<u8, CliError> {
    // Two arguments, for one that takes a hyphen would take the flags behind it as well.
    let what: Vec<String> = args.what.iter().chain(&args.more).cloned().collect();
    let wanted = Wanted {
        what: &what,
        tz: args.tz.as_deref(),
        dst: args.dst,
    };
    let sources = next_sources::find(ctx, &wanted)?;
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
    if args.week {
        next_week::week(ctx, &sources, &zone, from, args.all)?;
        return Ok(0);
    }
    let span = Span {
        from,
        until: instant(&args.until)?.unwrap_or(UnixMs::MAX),
        now,
        all: args.all,
    };
    let limit = match (args.n, &args.until) {
        (Some(n), _) => n,
        (None, Some(_)) => MOST,
        (None, None) => USUAL,
    };
    let fires = merged(&sources, &span, limit);
    ctx.answer(
        || fires.iter().map(|fire| fire.json(now)).collect(),
        |out| {
            for fire in &fires {
                writeln!(out, "{}", fire.line(now))?;
            }
            Ok(())
        },
    )?;
    if fires.is_empty() && limit > 0 {
        say_why_none(ctx, &what, &sources);
    }
    if args.n.is_none() && fires.len() == MOST {
        ctx.say(&format!(
            "only the first {MOST} are shown; -n N asks for more"
        ));
    }
    Ok(0)
}

/// The fires of all sources in order; those at the same instant in the order of the sources.
fn merged<'a>(sources: &'a [Source], span: &Span, limit: usize) -> Vec<Fire<'a>> {
    let mut ahead: Vec<Peekable<_>> = sources
        .iter()
        .map(|source| {
            let upcoming = source.table.upcoming(span.from, span.now);
            let upcoming = upcoming.take_while(|up| up.at <= span.until);
            upcoming
                .filter(|up| span.all || up.excluded.is_none())
                .peekable()
        })
        .collect();
    let mut heads: BinaryHeap<Reverse<(UnixMs, usize)>> = BinaryHeap::new();
    for (index, upcoming) in ahead.iter_mut().enumerate() {
        heads.extend(upcoming.peek().map(|up| Reverse((up.at, index))));
    }
    let mut fires = Vec::new();
    while fires.len() < limit
        && let Some(Reverse((_, index))) = heads.pop()
    {
        let (Some(source), Some(upcoming)) = (sources.get(index), ahead.get_mut(index)) else {
            continue;
        };
        if let Some(Upcoming { at, excluded }) = upcoming.next() {
            fires.push(Fire {
                at,
                source,
                excluded,
            });
        }
        // The last one asked for needs no other after it, which may be far to seek.
        if fires.len() < limit {
            heads.extend(upcoming.peek().map(|up| Reverse((up.at, index))));
        }
    }
    fires
}

impl Fire<'_> {
    fn note(&self) -> Option<String> {
        let moved = note(&self.source.table.schedule, self.at);
        let excluded = self.excluded.as_ref();
        let excluded = excluded.map(|why| format!("calendar: {why}"));
        let pause = self.source.paused_at(self.at);
        let paused = pause.map(|p| format!("paused by {}", p.by));
        let parts: Vec<String> = [moved, excluded, paused].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    fn json(&self, now: UnixMs) -> Value {
        let schedule = &self.source.table.schedule;
        json!({
            "at": rfc3339(self.at, &self.source.shown_in),
            "in_ms": self.at - now,
            "job": self.source.job,
            "schedule": schedule.text(),
            "zone": schedule.zone().name(),
            "note": self.note(),
            "excluded": self.excluded,
            "paused": self.source.paused_at(self.at).is_some(),
        })
    }

    fn line(&self, now: UnixMs) -> String {
        let mut line = in_full(self.at, &self.source.shown_in);
        line.push_str(&format!("  {:<10}", relative(self.at, now)));
        if let Some(job) = &self.source.job {
            line.push_str(&format!("  {job}"));
        }
        if let Some(note) = self.note() {
            line.push_str(&format!("  ({})", clean_all(&note)));
        }
        line.trim_end().to_owned()
    }
}

/// Says on standard error why there is nothing to show.
fn say_why_none(ctx: &Context, what: &[String], sources: &[Source]) {
    match (sources, what) {
        ([], []) => ctx.say("note: no job has a schedule"),
        ([], jobs) => {
            for job in jobs {
                ctx.say(&format!(
                    "note: {job} has no schedule; `crake edit {job} -s SCHEDULE` gives it one"
                ));
            }
        }
        (many, _) => {
            for source in many {
                let schedule = &source.table.schedule;
                let why = match schedule.next_after(ctx.now()) {
                    Some(_) => terms::why_none(&source.table, ctx.now()),
                    None => Some(read_schedule::why_none(schedule).to_owned()),
                };
                let why = why.unwrap_or_else(|| "has no fire in that span".to_owned());
                ctx.say(&format!("note: `{}` {why}", schedule.text()));
            }
        }
    }
}
