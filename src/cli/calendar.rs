//! `crake calendar`: named days and hours on which schedules rest.

use std::io::{self, Write};

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::calendar_add::{self, AddCalendarArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind, nearest};
use crate::cli::listing::{at, width};
use crate::cli::read_schedule;
use crate::schedule::Calendar;
use crate::store::{CalendarRow, Store};
use crate::view::calendar::{Day, days, rules};
use crate::view::table::Table;
use crate::view::text::clean_all;
use crate::view::time::rfc3339;

/// Keep calendars: named days and hours on which schedules rest
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake calendar add holidays -f holidays.ics
  crake calendar add office --exclude-weekdays sat,sun --exclude 12-25 --exclude 2026-12-24
  crake calendar show office --year 2027
  crake add report -s '0 8 * * *' --calendar office --shift next -- ./report.sh")]
pub struct CalendarArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Add(AddCalendarArgs),
    Ls(LsArgs),
    Show(ShowCalendarArgs),
    Rm(RmCalendarArgs),
}

/// List the calendars and the jobs that go by them
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake calendar ls")]
struct LsArgs {}

/// Show the rules of a calendar and the days of a year it excludes
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake calendar show holidays --year 2027 --tz Europe/Berlin")]
struct ShowCalendarArgs {
    /// Name of the calendar
    name: String,
    /// Which year; this one if not given
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i32).range(1970..=9998))]
    year: Option<i32>,
    /// The zone whose days are meant
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
}

/// Remove a calendar that no job goes by
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake calendar rm holidays")]
struct RmCalendarArgs {
    /// Name of the calendar
    name: String,
}

/// Keeps calendars.
///
/// # Errors
/// No such calendar, one that is taken or in use, a file that is none.
pub fn calendar(ctx: &Context, args: CalendarArgs) -> Result<u8, CliError> {
    match args.verb {
        Verb::Add(args) => calendar_add::add(ctx, args),
        Verb::Ls(_) => list(ctx),
        Verb::Show(args) => show(ctx, &args),
        Verb::Rm(args) => remove(ctx, &args.name),
    }
}

/// Finds a calendar in force.
///
/// # Errors
/// No such calendar, with the nearest name there is.
pub fn find(store: &Store, name: &str) -> Result<CalendarRow, CliError> {
    let rows = store.calendars()?;
    let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    let found = rows.into_iter().find(|row| row.name == name);
    found.ok_or_else(|| {
        let error = CliError::new(Kind::NotFound, format!("no calendar named \"{name}\""));
        match nearest(name, &names) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error.hint("`crake calendar ls` shows the calendars there are"),
        }
    })
}

/// Reads what the store keeps of a calendar.
///
/// # Errors
/// What no program of ours wrote.
pub fn read_stored(spec: &str) -> Result<Calendar, CliError> {
    serde_json::from_str(spec)
        .map_err(|e| CliError::new(Kind::Failed, format!("the store holds no calendar: {e}")))
}

/// A calendar as an item of an answer.
///
/// # Errors
/// What cannot be read.
pub fn item(ctx: &Context, row: &CalendarRow) -> Result<Value, CliError> {
    Ok(json!({
        "name": row.name,
        "source": row.source,
        "from": rfc3339(row.from, &ctx.zone),
        "jobs": row.jobs,
        "rules": rules(&read_stored(&row.spec)?),
    }))
}

fn list(ctx: &Context) -> Result<u8, CliError> {
    let rows = ctx.read()?.calendars()?;
    let items: Vec<Value> = rows
        .iter()
        .map(|row| item(ctx, row))
        .collect::<Result<_, _>>()?;
    let mut table = Table::new(&["CALENDAR", "JOBS", "SINCE", "SOURCE"]);
    for row in &rows {
        table.row([
            row.name.clone(),
            row.jobs.join(", "),
            at(ctx, Some(row.from), ctx.now()),
            row.source.clone().unwrap_or_default(),
        ]);
    }
    ctx.answer(
        || items,
        |out| match rows.is_empty() {
            true => Ok(()),
            false => table.write(out, width(ctx)),
        },
    )?;
    if rows.is_empty() {
        ctx.say("no calendars yet: `crake calendar add NAME -f holidays.ics` makes one");
    }
    Ok(0)
}

fn show(ctx: &Context, args: &ShowCalendarArgs) -> Result<u8, CliError> {
    let row = find(&ctx.read()?, &args.name)?;
    let zone = read_schedule::zone_of(ctx, args.tz.as_deref())?;
    let year = args.year.unwrap_or_else(|| zone.to_local(ctx.now()).year);
    let calendar = read_stored(&row.spec)?;
    let found = days(&calendar, year, &zone);
    let mut value = item(ctx, &row)?;
    value["year"] = json!(year);
    value["zone"] = json!(zone.name());
    value["days"] = found.iter().map(day_item).collect();
    ctx.answer_one(
        || value,
        |out| {
            writeln!(out, "{}", row.name)?;
            for rule in rules(&calendar) {
                writeln!(out, "  {rule}")?;
            }
            if !row.jobs.is_empty() {
                writeln!(out, "  used by {}", row.jobs.join(", "))?;
            }
            write_days(out, year, &found)
        },
    )?;
    Ok(0)
}

fn day_item(day: &Day) -> Value {
    json!({
        "date": day.date(),
        "weekday": day.weekday().to_lowercase(),
        "why": day.why,
        "whole": day.whole,
    })
}

/// The days a person looks for; those that recur every week or every day are only counted.
fn write_days(out: &mut dyn Write, year: i32, found: &[Day]) -> io::Result<()> {
    let parts = found.iter().filter(|d| !d.whole).count();
    // Hours that rest every day would bury the days that differ.
    let daily = parts > 300;
    let told = |d: &&Day| !d.of_week && (d.whole || !daily);
    writeln!(out, "{year}:")?;
    for day in found.iter().filter(told) {
        let part = if day.whole {
            ""
        } else {
            " (a part of the day)"
        };
        let (date, weekday) = (day.date(), day.weekday());
        writeln!(out, "  {date} {weekday}  {}{part}", clean_all(&day.why))?;
    }
    let of_week = found.iter().filter(|d| d.of_week && d.whole).count();
    if of_week > 0 {
        writeln!(out, "  and {of_week} days for their day of the week")?;
    }
    if daily {
        writeln!(out, "  and a part of {parts} days for its hours")?;
    }
    if found.is_empty() {
        writeln!(out, "  nothing")?;
    }
    Ok(())
}

fn remove(ctx: &Context, name: &str) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    let row = find(&store, name)?;
    store.remove_calendar(name, ctx.now())?;
    let value = item(ctx, &row)?;
    ctx.answer_one(|| value, |out| writeln!(out, "removed {name}"))?;
    Ok(0)
}
