//! A schedule in words.

use crate::schedule::Schedule;

/// Returns a schedule in words.
pub fn describe(schedule: &Schedule) -> String {
    schedule.text().to_owned()
}
