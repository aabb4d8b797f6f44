//! What of the daemon's environment reaches commands that are no jobs.

/// What a command of a source or of a receiver gets of the environment of the daemon: what says
/// where programs and one's own files are, and how to write text. Nothing that could hold a password.
pub const PASSED_ON: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_COLLATE",
    "TZ",
    "TMPDIR",
];
