//! `crake calendar add`: a calendar read from a file, or given by flags.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::cli::calendar;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::model::check_name;
use crate::schedule::{Calendar, CalendarError};
use crate::store::StoreError;

/// Make a calendar of an iCalendar or TOML file, or of days
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake calendar add holidays -f holidays.ics
  curl -fsS https://example.org/holidays.ics | crake calendar add holidays -f - --replace
  crake calendar add office --exclude-weekdays sat,sun --exclude 12-25 --exclude 2026-12-24
  crake calendar add summer --exclude 2027-08-01..2027-08-15 --include 2027-08-07

A file in TOML:
  [exclude]
  weekdays = [\"sat\", \"sun\"]
  dates = [\"2026-12-24\"]
  ranges = [\"2026-08-01..2026-08-15\"]
  yearly = [\"12-25\"]
  hours = [\"22:00-06:00\"]
  [include]
  dates = [\"2026-12-19\"]")]
pub struct AddCalendarArgs {
    /// Name of the calendar
    name: String,
    /// An iCalendar (.ics) or TOML file; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Days of the week that are excluded: sat,sun or mon-fri
    #[arg(
        long,
        value_name = "DAYS",
        value_delimiter = ',',
        conflicts_with = "file"
    )]
    exclude_weekdays: Vec<String>,
    /// What is excluded: 2026-12-24, 2026-08-01..2026-08-15, 12-25 (every year) or 22:00-06:00; may
    /// be given more than once
    #[arg(
        long,
        value_name = "DATE",
        value_delimiter = ',',
        conflicts_with = "file"
    )]
    exclude: Vec<String>,
    /// What is included all the same; may be given more than once
    #[arg(
        long,
        value_name = "DATE",
        value_delimiter = ',',
        conflicts_with = "file"
    )]
    include: Vec<String>,
    /// Put it in the place of a calendar of that name; the jobs that go by that one go by this
    #[arg(long)]
    replace: bool,
}

/// Makes a calendar.
///
/// # Errors
/// A name that is taken, a file that cannot be read or is no calendar.
pub fn add(ctx: &Context, args: AddCalendarArgs) -> Result<u8, CliError> {
    check_name(&args.name)?;
    if args.name == "none" {
        let error = CliError::new(Kind::Usage, "\"none\" stands for no calendar");
        return Err(error.hint("choose another name"));
    }
    let (read, source) = match &args.file {
        Some(path) => (of_file(path)?, Some(path.display().to_string())),
        None => (of_flags(&args)?, None),
    };
    let read = read.with_name(&args.name);
    let spec =
        serde_json::to_string(&read).map_err(|e| CliError::new(Kind::Failed, e.to_string()))?;
    let (mut store, now) = (ctx.write()?, ctx.now());
    let known = store.calendars()?.iter().any(|c| c.name == args.name);
    let put = store.put_calendar(&args.name, &spec, source.as_deref(), args.replace, now);
    put.map_err(|error| match error {
        StoreError::NameTaken(name) => CliError::new(
            Kind::Refused,
            format!("there is a calendar named \"{name}\" already"),
        )
        .hint("choose another name, or put this in its place with --replace"),
        other => other.into(),
    })?;
    ctx.nudge();
    let row = calendar::find(&store, &args.name)?;
    let value = calendar::item(ctx, &row)?;
    ctx.answer_one(
        || value,
        |out| {
            let verb = if known { "replaced" } else { "added" };
            writeln!(out, "{verb} {}", row.name)?;
            for rule in crate::view::calendar::rules(&read) {
                writeln!(out, "  {rule}")?;
            }
            if !row.jobs.is_empty() {
                writeln!(out, "  used by {}", row.jobs.join(", "))?;
            }
            Ok(())
        },
    )?;
    Ok(0)
}

fn of_file(path: &Path) -> Result<Calendar, CliError> {
    let (bytes, label) = match path.to_str() {
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes)?;
            (bytes, "standard input".to_owned())
        }
        _ => {
            let label = path.display().to_string();
            let bytes = std::fs::read(path).map_err(|e| {
                let mut error = CliError::from(e);
                error.message = format!("cannot read {label}: {}", error.message);
                error
            })?;
            (bytes, label)
        }
    };
    let wrong = |e: CalendarError| {
        let error = CliError::new(Kind::Invalid, format!("{label}: {e}"));
        match e.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    };
    if is_ics(path, &bytes) {
        return Calendar::from_ics(&bytes).map_err(wrong);
    }
    let text = std::str::from_utf8(&bytes).map_err(|e| {
        let before = &bytes[..e.valid_up_to()];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |n| n + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        wrong(CalendarError {
            line,
            column,
            message: "this is neither iCalendar nor UTF-8".to_owned(),
            hint: None,
        })
    })?;
    Calendar::from_toml(text).map_err(wrong)
}

/// By what it holds, or by what it is called.
fn is_ics(path: &Path, bytes: &[u8]) -> bool {
    const HEAD: &[u8] = b"BEGIN:VCALENDAR";
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = bytes.trim_ascii_start().get(..HEAD.len());
    let named = path.extension().and_then(|e| e.to_str());
    start.is_some_and(|s| s.eq_ignore_ascii_case(HEAD))
        || named.is_some_and(|e| e.eq_ignore_ascii_case("ics"))
}

/// Which list of a calendar file a date given as a flag stands in.
fn list_of(text: &str) -> &'static str {
    if text.contains("..") {
        "ranges"
    } else if text.contains(':') {
        "hours"
    } else if text.len() == 5 {
        "yearly"
    } else {
        "dates"
    }
}

fn of_flags(args: &AddCalendarArgs) -> Result<Calendar, CliError> {
    let mut given = Vec::new();
    for (flag, table, values) in [
        ("--exclude-weekdays", "exclude", &args.exclude_weekdays),
        ("--exclude", "exclude", &args.exclude),
        ("--include", "include", &args.include),
    ] {
        for value in values {
            let list = match flag {
                "--exclude-weekdays" => "weekdays",
                _ => list_of(value),
            };
            given.push((flag, table, list, value.trim()));
        }
    }
    if given.is_empty() {
        let error = CliError::new(Kind::Usage, "the calendar would hold nothing");
        return Err(error.hint("give a file with -f FILE, or --exclude-weekdays sat,sun"));
    }
    let mut form = toml::Table::new();
    for (flag, table, list, value) in given {
        let alone = toml::Table::from_iter([(table.to_owned(), one(list, value))]);
        Calendar::from_toml(&alone.to_string())
            .map_err(|e| CliError::new(Kind::Invalid, format!("{flag}: {}", e.message)))?;
        let rules = form
            .entry(table)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        if let Some(rules) = rules.as_table_mut()
            && let Some(list) = rules
                .entry(list)
                .or_insert_with(|| toml::Value::Array(Vec::new()))
                .as_array_mut()
        {
            list.push(toml::Value::String(value.to_owned()));
        }
    }
    Calendar::from_toml(&form.to_string()).map_err(|e| CliError::new(Kind::Invalid, e.message))
}

fn one(list: &str, value: &str) -> toml::Value {
    let values = toml::Value::Array(vec![toml::Value::String(value.to_owned())]);
    toml::Value::Table(toml::Table::from_iter([(list.to_owned(), values)]))
}
