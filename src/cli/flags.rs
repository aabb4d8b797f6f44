//! The flags that say what a job is: those of `add`, and of `edit`, which keeps what is not given.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::after_flags::AfterFlags;
use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::env::variable;
use crate::cli::error::CliError;
use crate::cli::limit_flags::LimitFlags;
use crate::cli::terms::TermFlags;
use crate::model::{Backoff, CatchUp, Command, OnLost, Overlap, Raw, Terms, parse_duration};
use crate::schedule::Zone;
use crate::store::NewSchedule;

/// A length of time, or `none`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit(pub Option<i64>);

impl Limit {
    /// Milliseconds; none for no limit.
    pub fn ms(self) -> Option<i64> {
        self.0
    }
}

/// A length of time above zero, or `none`.
pub fn limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    match parse_duration(text) {
        Ok(0) => Err("write a length above zero, or none".to_owned()),
        Ok(ms) => Ok(Limit(Some(ms))),
        Err(e) => Err(e.to_string()),
    }
}

fn duration(text: &str) -> Result<i64, String> {
    parse_duration(text).map_err(|e| e.to_string())
}

fn backoff(text: &str) -> Result<Backoff, String> {
    text.parse()
        .map_err(|_| "write 30s for always the same wait, or exp:10s..1h for a growing one".into())
}

/// Bytes, with K, M or G for powers of 1024.
pub fn bytes(text: &str) -> Result<u64, String> {
    let fail = || format!("\"{text}\" is no number of bytes: write one such as 64K or 1M");
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 10),
        Some((at, 'M' | 'm')) => (&text[..at], 20),
        Some((at, 'G' | 'g')) => (&text[..at], 30),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| fail())?;
    number
        .checked_mul(1 << shift)
        .filter(|n| *n <= i64::MAX as u64)
        .ok_or_else(fail)
}

/// An octal file mode creation mask.
pub fn umask(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mask| *mask <= 0o777)
        .ok_or_else(|| format!("\"{text}\" is no mask: write three octal digits such as 027"))
}

/// The flags that say what a job is.
#[derive(clap::Args, Debug, Default, PartialEq)]
pub struct DefinitionFlags {
    /// When it fires: five cron fields, six or seven with seconds and years, @daily and the like,
    /// @reboot, "every 15m", or "at 2027-01-31T08:00:00+01:00"; may be given more than once
    #[arg(
        short,
        long = "schedule",
        value_name = "SCHEDULE",
        help_heading = "When"
    )]
    pub schedules: Vec<String>,
    /// Time zone of the schedule, such as Europe/Berlin; the host's if not given
    #[arg(long, value_name = "ZONE", help_heading = "When")]
    pub tz: Option<String>,
    /// What to do when the zone's clock changes
    #[arg(long, value_name = "RULE", help_heading = "When",
        value_parser = PossibleValuesParser::new(["vixie", "skip", "both", "utc"]))]
    pub dst: Option<String>,
    /// What becomes of fires missed while nobody was there
    #[arg(long, value_name = "RULE", help_heading = "When",
        value_parser = PossibleValuesParser::new(CatchUp::WORDS).try_map(|w| w.parse::<CatchUp>()))]
    pub catch_up: Option<CatchUp>,
    /// Do not catch up fires missed longer ago than this
    #[arg(long, value_name = "D|none", help_heading = "When", value_parser = limit)]
    pub catch_up_window: Option<Limit>,
    /// Most fires caught up at once
    #[arg(long, value_name = "N", help_heading = "When")]
    pub catch_up_max: Option<u32>,
    /// What becomes of a fire while an earlier run is alive
    #[arg(long, value_name = "RULE", help_heading = "When",
        value_parser = PossibleValuesParser::new(Overlap::WORDS).try_map(|w| w.parse::<Overlap>()))]
    pub overlap: Option<Overlap>,
    /// Most runs alive at once
    #[arg(long, value_name = "N", help_heading = "When", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_parallel: Option<u32>,
    /// Latest start after the planned instant; a run later than that expires
    #[arg(long, value_name = "D|none", help_heading = "When", value_parser = limit)]
    pub start_deadline: Option<Limit>,
    #[command(flatten)]
    pub terms: TermFlags,

    /// The command, a line for `sh -c`
    #[arg(
        short,
        long = "command",
        value_name = "LINE",
        help_heading = "What",
        conflicts_with = "argv"
    )]
    pub command: Option<OsString>,
    /// A variable of its environment; may be given more than once
    #[arg(long, value_name = "K=V", help_heading = "What")]
    pub env: Vec<OsString>,
    /// Working directory; the home directory if not given
    #[arg(long, value_name = "DIR", help_heading = "What")]
    pub cwd: Option<String>,
    /// File mode creation mask, octal
    #[arg(long, value_name = "MASK", help_heading = "What", value_parser = umask)]
    pub umask: Option<u32>,
    /// Text for its standard input
    #[arg(long, value_name = "TEXT", help_heading = "What")]
    pub stdin: Option<OsString>,
    /// Bytes of output kept of each attempt, such as 64K or 1M
    #[arg(long, value_name = "BYTES", help_heading = "What", value_parser = bytes)]
    pub output_max: Option<u64>,

    /// Queue its runs wait in: high, normal, low, or one you made
    #[arg(long, value_name = "QUEUE", help_heading = "How")]
    pub queue: Option<String>,
    /// 0 goes first, 9 last
    #[arg(long, value_name = "0..9", help_heading = "How", value_parser = clap::value_parser!(u8).range(0..=9))]
    pub priority: Option<u8>,
    /// Most runs that may wait
    #[arg(long, value_name = "N", help_heading = "How")]
    pub queue_max: Option<u32>,
    /// Longest time from start to end
    #[arg(long, value_name = "D|none", help_heading = "How", value_parser = limit)]
    pub timeout: Option<Limit>,
    /// Longest time without output
    #[arg(long, value_name = "D|none", help_heading = "How", value_parser = limit)]
    pub silence: Option<Limit>,
    /// Time from SIGTERM to SIGKILL
    #[arg(long, value_name = "D", help_heading = "How", value_parser = duration)]
    pub kill_grace: Option<i64>,
    /// Attempts after the first
    #[arg(long, value_name = "N", help_heading = "How")]
    pub retry: Option<u32>,
    /// Wait between attempts: 30s, or exp:10s..1h
    #[arg(long, value_name = "SPEC", help_heading = "How", value_parser = backoff)]
    pub backoff: Option<Backoff>,
    /// What becomes of a run whose worker vanished
    #[arg(long, value_name = "RULE", help_heading = "How",
        value_parser = PossibleValuesParser::new(OnLost::WORDS).try_map(|w| w.parse::<OnLost>()))]
    pub on_lost: Option<OnLost>,
    #[command(flatten)]
    pub limits: LimitFlags,
    #[command(flatten)]
    pub then: AfterFlags,

    /// A label; may be given more than once
    #[arg(long = "tag", value_name = "TAG", help_heading = "Notes")]
    pub tags: Vec<String>,
    /// Who looks after it
    #[arg(long, value_name = "NAME", help_heading = "Notes")]
    pub owner: Option<String>,
    /// Where its runbook is
    #[arg(long, value_name = "URL", help_heading = "Notes")]
    pub runbook: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT", help_heading = "Notes")]
    pub description: Option<String>,

    /// The command and its arguments, executed directly
    #[arg(last = true, value_name = "CMD")]
    pub argv: Vec<OsString>,
}

impl DefinitionFlags {
    /// Writes what was given into a definition and leaves the rest of it.
    ///
    /// # Errors
    /// An unknown zone, a variable without a value, what is no instant.
    pub fn apply(&self, ctx: &Context, draft: &mut Draft) -> Result<(), CliError> {
        self.apply_when(draft)?;
        self.terms.apply(ctx, draft)?;
        self.apply_what(draft)?;
        self.apply_how(draft);
        let spec = &mut draft.spec;
        self.then.apply(&mut spec.follow, &mut spec.keep)
    }

    fn apply_when(&self, draft: &mut Draft) -> Result<(), CliError> {
        let zone = match self.tz.as_deref() {
            None => draft.schedules.first().and_then(|s| s.zone.clone()),
            // A way back to the host's own zone, whichever that will be.
            Some("system") => None,
            Some(name) => Some(Zone::named(name)?.name().to_owned()),
        };
        if !self.schedules.is_empty() {
            let dst = draft.schedules.first().map(|s| s.dst.clone());
            let unbounded = || Terms {
                seed: draft.seed,
                ..Terms::default()
            };
            let terms = draft.schedules.first().map(|s| s.terms.clone());
            let terms = terms.unwrap_or_else(unbounded);
            let of = |expr: &String| NewSchedule {
                expr: expr.clone(),
                zone: zone.clone(),
                dst: dst.clone().unwrap_or_else(|| "vixie".to_owned()),
                anchor: None,
                terms: terms.clone(),
            };
            draft.schedules = self.schedules.iter().map(of).collect();
        }
        for schedule in &mut draft.schedules {
            if self.tz.is_some() {
                schedule.zone.clone_from(&zone);
            }
            if let Some(dst) = &self.dst {
                schedule.dst.clone_from(dst);
            }
        }
        let policy = &mut draft.policy;
        set(&mut policy.catch_up, self.catch_up);
        set(
            &mut policy.catch_up_window_ms,
            self.catch_up_window.map(|l| l.0),
        );
        set(&mut policy.catch_up_max, self.catch_up_max);
        set(&mut policy.overlap, self.overlap);
        set(&mut policy.max_parallel, self.max_parallel.map(Some));
        set(
            &mut policy.start_deadline_ms,
            self.start_deadline.map(|l| l.0),
        );
        Ok(())
    }

    fn apply_what(&self, draft: &mut Draft) -> Result<(), CliError> {
        let raw = |text: &OsString| Raw(text.clone().into_vec());
        let spec = &mut draft.spec;
        if let Some(line) = &self.command {
            spec.command = Command::Line(raw(line));
        } else if !self.argv.is_empty() {
            spec.command = Command::Argv(self.argv.iter().map(raw).collect());
        }
        for setting in &self.env {
            let (name, value) = variable(setting)?;
            spec.env.retain(|(known, _)| *known != name);
            spec.env.push((name, value));
        }
        set(&mut spec.cwd, self.cwd.clone().map(Some));
        set(&mut spec.umask, self.umask.map(Some));
        set(&mut spec.stdin, self.stdin.as_ref().map(raw).map(Some));
        set(&mut spec.output_max, self.output_max);
        self.limits.apply(spec);
        if !self.tags.is_empty() {
            spec.tags.clone_from(&self.tags);
        }
        set(&mut spec.owner, self.owner.clone().map(Some));
        set(&mut spec.runbook, self.runbook.clone().map(Some));
        set(&mut spec.description, self.description.clone().map(Some));
        Ok(())
    }

    fn apply_how(&self, draft: &mut Draft) {
        let policy = &mut draft.policy;
        set(&mut policy.queue, self.queue.clone());
        set(&mut policy.priority, self.priority);
        set(&mut policy.queue_max, self.queue_max);
        set(&mut policy.timeout_ms, self.timeout.map(|l| l.0));
        set(&mut policy.silence_ms, self.silence.map(|l| l.0));
        set(&mut policy.kill_grace_ms, self.kill_grace);
        set(&mut policy.retry, self.retry);
        set(&mut policy.backoff, self.backoff);
        set(&mut policy.on_lost, self.on_lost);
    }
}

fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
    }
}
