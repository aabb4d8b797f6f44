//! crake: a local replacement for cron that accounts for every planned fire.

pub mod crontab;
pub mod schedule;
