//! Whose fires are asked for: expressions, jobs, or all jobs there are.

use crate::cli::context::Context;
use crate::cli::error::{CliError, nearest};
use crate::cli::read_schedule;
use crate::model::{Pause, Terms, check_name};
use crate::schedule::{DstRule, UnixMs, WarningKind, Zone, explain};
use crate::store::{JobRow, NewSchedule, Store};
use crate::view::timetable::Timetable;

/// What is asked for.
pub struct Wanted<'a> {
    /// Jobs and expressions; all jobs where empty.
    pub what: &'a [String],
    /// The zone of an expression, and the one the fires of a job are shown in.
    pub tz: Option<&'a str>,
    /// Another rule for changes of the clock.
    pub dst: Option<DstRule>,
}

/// A schedule whose fires are asked for.
pub struct Source {
    /// The job, unless it is an expression.
    pub job: Option<String>,
    /// When it fires.
    pub table: Timetable,
    /// When its job is paused.
    pub pauses: Vec<Pause>,
    /// The zone its times are shown in.
    pub shown_in: Zone,
}

impl Source {
    /// The job, or the expression.
    pub fn label(&self) -> &str {
        self.job.as_deref().unwrap_or(self.table.schedule.text())
    }

    /// The pause that covers an instant.
    pub fn paused_at(&self, at: UnixMs) -> Option<&Pause> {
        self.pauses.iter().find(|pause| pause.covers(at))
    }
}

/// Finds what is asked for.
///
/// # Errors
/// An invalid schedule, an unknown job or zone.
pub fn find(ctx: &Context, wanted: &Wanted<'_>) -> Result<Vec<Source>, CliError> {
    let mut found = Vec::new();
    if wanted.what.is_empty() {
        for row in ctx.read()?.jobs()? {
            found.extend(of_job(ctx, wanted, &row)?);
        }
    }
    for what in wanted.what {
        found.extend(of_word(ctx, wanted, what)?);
    }
    Ok(found)
}

fn of_word(ctx: &Context, wanted: &Wanted<'_>, what: &str) -> Result<Vec<Source>, CliError> {
    // What cannot be a name needs no store.
    let store = match check_name(what) {
        Err(_) => None,
        Ok(()) => Some(ctx.read()?),
    };
    if let Some(row) = store.as_ref().map(|s| s.job(what)).transpose()?.flatten() {
        return of_job(ctx, wanted, &row);
    }
    expression(ctx, wanted, what).map_err(|error| match &store {
        Some(store) if !read_schedule::looks_like_schedule(what) => {
            unknown(store, what).unwrap_or(error)
        }
        _ => error,
    })
}

/// What to say of a word that is neither a job nor a schedule.
pub fn unknown(store: &Store, what: &str) -> Option<CliError> {
    let names = store.job_names().ok()?;
    let error = CliError::no_job(what, &names);
    Some(match nearest(what, &names) {
        Some(_) => error,
        None => error.hint("write a schedule as one quoted argument, such as '30 2 * * *'"),
    })
}

fn expression(ctx: &Context, wanted: &Wanted<'_>, expr: &str) -> Result<Vec<Source>, CliError> {
    let new = NewSchedule {
        zone: wanted.tz.map(str::to_owned),
        dst: wanted.dst.unwrap_or_default().to_string(),
        ..NewSchedule::of(expr)
    };
    let schedule = read_schedule::read(ctx, &new)?;
    for warning in explain(&schedule, ctx.now()).warnings {
        // Of that it is told where there is nothing to show.
        if warning.kind != WarningKind::NeverFires {
            ctx.say(&format!("note: {}", warning.text));
        }
    }
    Ok(vec![Source {
        job: None,
        shown_in: schedule.zone().clone(),
        table: Timetable::new(schedule, &Terms::default(), 0),
        pauses: Vec::new(),
    }])
}

fn of_job(ctx: &Context, wanted: &Wanted<'_>, row: &JobRow) -> Result<Vec<Source>, CliError> {
    let shown_in = wanted.tz.map(Zone::named).transpose()?;
    row.schedules
        .iter()
        .map(|(planned, _)| {
            let mut planned = planned.clone();
            if let Some(dst) = wanted.dst {
                planned.dst = dst.to_string();
            }
            let table = read_schedule::stored(ctx, &planned)
                .map_err(|e| CliError::new(e.kind, format!("{}: {}", row.job.name, e.message)))?;
            Ok(Source {
                job: Some(row.job.name.clone()),
                shown_in: shown_in.clone().unwrap_or(table.schedule.zone().clone()),
                table,
                pauses: row.job.pauses.clone(),
            })
        })
        .collect()
}
