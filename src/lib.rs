//! crake: a local replacement for cron that accounts for every planned fire.

pub mod schedule;
