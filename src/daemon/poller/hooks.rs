//! Faults that tests ask for; a release build has nothing of them.

/// The name of a watch whose first poll never gives its connection back.
#[cfg(debug_assertions)]
pub const LEAK: &str = "CRAKE_POLLER_LEAK";

/// The name of a watch whose polls are never answered.
#[cfg(debug_assertions)]
pub const HANG: &str = "CRAKE_POLLER_HANG";
