//! The command line: one file for each verb, one place for errors and for output.

pub mod context;
pub mod daemon;
pub mod error;
