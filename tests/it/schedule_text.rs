//! Times and zones written as text, for the tests of the schedule layer.

use crake::schedule::{ParseOptions, Schedule, UnixMs, Zone};

/// Returns the Unix milliseconds of an RFC 3339 instant.
pub fn ms(instant: &str) -> UnixMs {
    match chrono::DateTime::parse_from_rfc3339(instant) {
        Ok(time) => time.timestamp_millis(),
        Err(error) => panic!("{instant}: {error}"),
    }
}

/// Returns an instant as the clock of a zone shows it, with offset.
pub fn shown(at: UnixMs, zone: &Zone) -> String {
    let civil = zone.to_local(at);
    let offset = zone.offset_seconds_at(at);
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
        civil.year,
        civil.month,
        civil.day,
        civil.hour,
        civil.minute,
        civil.second,
        minutes / 60,
        minutes % 60
    )
}

/// Returns the zone of a name that tzdata is known to have.
pub fn zone(name: &str) -> Zone {
    match Zone::named(name) {
        Ok(zone) => zone,
        Err(error) => panic!("{error}"),
    }
}

/// Reads an expression in a zone under the default rule.
pub fn parse(expr: &str, zone_name: &str) -> Schedule {
    parse_with(
        expr,
        &ParseOptions {
            zone: zone(zone_name),
            ..ParseOptions::default()
        },
    )
}

/// Reads an expression that must be accepted.
pub fn parse_with(expr: &str, options: &ParseOptions) -> Schedule {
    match Schedule::parse(expr, options) {
        Ok(schedule) => schedule,
        Err(error) => panic!("{error}\n{}", error.caret()),
    }
}

/// Returns the next `count` instants after `after`, as the zone of the schedule shows them.
pub fn next(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    schedule
        .upcoming(ms(after))
        .take(count)
        .map(|at| shown(at, schedule.zone()))
        .collect()
}

/// Returns the message, the caret and the hint of a refusal.
pub fn refused(expr: &str) -> String {
    match Schedule::parse(expr, &ParseOptions::default()) {
        Ok(schedule) => panic!("{expr:?} was accepted as {schedule:?}"),
        Err(error) => {
            let hint = error.hint.as_deref().unwrap_or_default();
            format!("{error}\n{}\n{hint}", error.caret())
        }
    }
}
