//! crake: a local replacement for cron that accounts for every planned fire.
//!
//! The layers, each of which may name only those the table in `docs/architecture.md` lists for it
//! (`tests/it/tidy.rs` holds them to it):
//!
//! `clock` · `crash` · `schedule` · `model` · `crontab` · `engine` · `letter` · `config` · `store` ·
//! `process` · `source` · `control` · `courier` · `daemon` · `view` · `tui` · `cli`

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod courier;
pub mod crash;
pub mod crontab;
pub mod daemon;
pub mod engine;
pub mod letter;
pub mod model;
pub mod process;
pub mod schedule;
pub mod source;
pub mod store;
pub mod tui;
pub mod view;
