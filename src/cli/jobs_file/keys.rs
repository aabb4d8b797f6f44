//! The keys of a job in a jobs file: one table for the reader, the schema and the manual page.

use crate::model::{CatchUp, OnLost, Overlap};

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// A text.
    Text,
    /// A text, or bytes as `{ b64 = "..." }`.
    Raw,
    /// A line for the shell, or a list to execute directly.
    Command,
    /// One schedule or several, each a text or a table.
    Schedules,
    /// One text or several.
    Texts,
    /// A length of time.
    Length,
    /// A length of time, or `none`.
    Limit,
    /// A number, at least and at most.
    Number(i64, i64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Bytes as a number, or a text such as `10M`.
    Bytes,
    /// A date, or a date with a time.
    Instant,
    /// Variables with their values.
    Variables,
    /// True or false.
    Flag,
    /// A number, or a table of `max`, `delay`, `backoff` and `max_delay`.
    Retry,
    /// A table of `runs`, `for` or `days`, and `output` or `log`.
    Keep,
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value may be.
    pub form: Form,
    /// What it says, as a sentence without its full stop.
    pub about: &'static str,
    /// A value, as it stands in a file.
    pub example: &'static str,
}

const fn key(name: &'static str, form: Form, about: &'static str, example: &'static str) -> Key {
    Key {
        name,
        form,
        about,
        example,
    }
}

const U32: i64 = u32::MAX as i64;
const DST: &[&str] = &["vixie", "skip", "both", "utc"];

/// What the table of a schedule may hold beside `expr`.
pub const OF_SCHEDULES: &[&str] = &[
    "timezone",
    "dst",
    "anchor",
    "calendar",
    "shift",
    "jitter",
    "start",
    "end",
    "max_fires",
];

/// Those that say something of the schedules, and nothing where there is none.
pub const TERMS: &[&str] = &["calendar", "shift", "jitter", "start", "end", "max_fires"];

/// Every key, in the order in which people think of them.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("description", Form::Text, "What the job is for", r#""Dumps every database""#),
    key("command", Form::Command, "What to execute: a text goes to `sh -c`, a list is executed directly", r#"["/usr/bin/pg_dumpall", "-f", "/srv/all.sql"]"#),
    key("schedule", Form::Schedules, "When it fires; a table adds to `expr` what differs from the rest of the job", r#"["30 2 * * *", { expr = "0 12 * * sun", timezone = "UTC" }]"#),
    key("timezone", Form::Text, "The zone of its schedules; the host's own (`system`) if not given", r#""Europe/Berlin""#),
    key("dst", Form::Word(DST), "What is done when the zone's clock changes; vixie if not given", r#""skip""#),
    key("enabled", Form::Flag, "Whether it may fire: false pauses it, and taking that away resumes it; a pause made by hand stays", "true"),
    key("calendar", Form::Text, "A fire on an instant this calendar excludes gets no run", r#""holidays""#),
    key("shift", Form::Word(&["next", "previous"]), "The working day to which such a fire is moved instead", r#""next""#),
    key("jitter", Form::Length, "A run starts up to so much later than planned", r#""5m""#),
    key("start", Form::Instant, "No instant before this one counts", r#""2027-01-31T08:00:00+01:00""#),
    key("end", Form::Instant, "No instant after this one counts", r#""2099-12-31""#),
    key("max_fires", Form::Number(1, U32), "Runs its fires are given in all", "100"),
    key("catch_up", Form::Word(CatchUp::WORDS), "What becomes of fires missed while nobody was there; last if not given", r#""last""#),
    key("catch_up_window", Form::Limit, "Fires missed longer ago than this are not caught up", r#""12h""#),
    key("catch_up_max", Form::Number(0, U32), "Most fires caught up at once", "10"),
    key("overlap", Form::Word(Overlap::WORDS), "What becomes of a fire while an earlier run is alive; skip if not given", r#""skip""#),
    key("max_parallel", Form::Number(1, U32), "Most runs alive at once", "2"),
    key("start_deadline", Form::Limit, "Latest start after the planned instant; a later run expires", r#""1h""#),
    key("queue", Form::Text, "The queue its runs wait in: high, normal, low, or one you made", r#""low""#),
    key("priority", Form::Number(0, 9), "0 goes first, 9 last; 5 if not given", "3"),
    key("queue_max", Form::Number(0, U32), "Most runs that may wait", "10"),
    key("timeout", Form::Limit, "Longest time from start to end; a day if not given", r#""30m""#),
    key("silence", Form::Limit, "Longest time without output", r#""10m""#),
    key("kill_grace", Form::Length, "Time from SIGTERM to SIGKILL", r#""10s""#),
    key("retry", Form::Retry, "Attempts after the first; a table says the waits as well", r#"{ max = 3, delay = "30s", backoff = 2, max_delay = "5m" }"#),
    key("backoff", Form::Text, "The wait between attempts: always the same, or growing", r#""exp:10s..1h""#),
    key("on_lost", Form::Word(OnLost::WORDS), "What becomes of a run whose worker vanished", r#""retry""#),
    key("user", Form::Text, "As whom it runs; only root may name another than themselves", r#""root""#),
    key("cwd", Form::Text, "Its working directory; the home directory if not given", r#""/srv""#),
    key("shell", Form::Text, "The shell for a line; /bin/sh if not given", r#""/bin/bash""#),
    key("umask", Form::Text, "Its file mode creation mask, octal", r#""027""#),
    key("env", Form::Variables, "Variables of its environment; those of `[defaults]` are added to", r#"{ PGHOST = "db1" }"#),
    key("stdin", Form::Raw, "Its standard input", r#""yes\n""#),
    key("output_max", Form::Bytes, "Bytes of output kept of each attempt", r#""1M""#),
    key("nice", Form::Number(-20, 19), "Its priority for the CPU", "10"),
    key("ionice", Form::Text, "Its class of input and output, as ionice(1) has it", r#""best-effort:7""#),
    key("memory_max", Form::Bytes, "The memory it may take", r#""2G""#),
    key("cpu_max", Form::Length, "The CPU time it may take", r#""20m""#),
    key("processes_max", Form::Number(1, U32), "The processes it may have", "64"),
    key("verify", Form::Raw, "A line run after exit code 0; unless it exits with 0 as well, the run has failed", r#""test -s /srv/all.sql""#),
    key("on_success", Form::Texts, "These jobs run when it has succeeded", r#"["upload"]"#),
    key("on_failure", Form::Texts, "These jobs run when it has failed", r#"["page"]"#),
    key("after", Form::Texts, "It runs when one of these has succeeded", r#""prepare""#),
    key("keep_runs", Form::Number(1, U32), "At most so many of its runs are kept", "200"),
    key("keep_for", Form::Length, "Its runs and their output are kept no longer than this", r#""90d""#),
    key("keep_output", Form::Bytes, "At most so many bytes of output of all its runs are kept", r#""10M""#),
    key("keep", Form::Keep, "The three of them in one table", r#"{ runs = 200, days = 90, log = "10M" }"#),
    key("tags", Form::Texts, "Labels", r#"["db", "night"]"#),
    key("owner", Form::Text, "Who looks after it", r#""ana""#),
    key("runbook", Form::Text, "Where its runbook is", r#""https://wiki/run/backup""#),
    key("seed", Form::Number(i64::MIN, i64::MAX), "What `H`, `~` and jitter are drawn from; a hash of the name if not given", "7"),
];

/// A key by its name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
