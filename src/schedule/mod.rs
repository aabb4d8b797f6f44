//! When a trigger is due.

/// Unix time in milliseconds.
pub type UnixMs = i64;
