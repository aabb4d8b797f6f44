//! One line for a monitoring system, in the form of the Monitoring Plugins' guidelines: a state, a
//! sentence, performance data after a bar; a line for each thing somebody should look at beneath.

use std::io::{self, Write};

use crate::store::{Counts, Totals};
use crate::view::Daemon;
use crate::view::attention::{Attention, Level};
use crate::view::attention_daemon::BEAT_MS;
use crate::view::text::clean_all;
use crate::view::words::count;

/// What a monitoring system is told; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing needs attention.
    Ok,
    /// Somebody should look.
    Warning,
    /// Somebody should act.
    Critical,
    /// It cannot be told.
    Unknown,
}

impl State {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Critical => "critical",
            State::Unknown => "unknown",
        }
    }

    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            State::Ok => 0,
            State::Warning => 1,
            State::Critical => 2,
            State::Unknown => 3,
        }
    }
}

/// What the store says, where it could be looked at in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Jobs and live runs.
    pub counts: Counts,
    /// The day so far.
    pub today: Totals,
    /// What somebody should look at, most urgent first.
    pub attention: Vec<Attention>,
}

/// What is found.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The job that is asked about; the whole instance otherwise.
    pub job: Option<String>,
    /// The worst there is.
    pub state: State,
    /// In one sentence.
    pub text: String,
    /// What is known of the daemon.
    pub daemon: Daemon,
    /// What the store says.
    pub seen: Option<Seen>,
}

/// Judges what is known. `seen` is what the store says, or why it could not be looked at. About one
/// job only what concerns it or the whole instance matters.
pub fn check(job: Option<String>, daemon: Daemon, seen: Result<Seen, String>) -> Check {
    let (state, text, seen) = match seen {
        Ok(mut seen) => {
            if let Some(job) = &job {
                let concerns = |a: &Attention| a.job.as_ref().is_none_or(|of| of == job);
                seen.attention.retain(concerns);
            }
            let (state, text) = of_attention(job.as_deref(), &seen);
            (state, text, Some(seen))
        }
        Err(why) => {
            let (state, text) = blind(&daemon, &why);
            (state, text, None)
        }
    };
    Check {
        job,
        state,
        text,
        daemon,
        seen,
    }
}

fn of_attention(job: Option<&str>, seen: &Seen) -> (State, String) {
    let Some(first) = seen.attention.first() else {
        let running = format!("{} running", seen.counts.running);
        let jobs = match job {
            Some(job) => clean_all(job),
            None => count(seen.counts.jobs, "job"),
        };
        return (State::Ok, format!("{jobs}, {running}"));
    };
    let state = match first.level {
        Level::Urgent => State::Critical,
        Level::Warning => State::Warning,
    };
    let more = match seen.attention.len() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    (state, format!("{}{more}", line(first)))
}

/// Without the store: the daemon alone decides.
fn blind(daemon: &Daemon, why: &str) -> (State, String) {
    let store = format!("the store cannot be looked at: {}", clean_all(why));
    let late = daemon.beat_age_ms.is_some_and(|age| age > BEAT_MS);
    match (&daemon.silent, &daemon.degraded) {
        (Some(silent), _) => {
            let text = format!("the daemon does not answer: {}; {store}", clean_all(silent));
            (State::Critical, text)
        }
        (_, Some(degraded)) => (
            State::Critical,
            format!("DEGRADED: {}; {store}", clean_all(degraded)),
        ),
        _ if late => (State::Critical, format!("the firing loop hangs; {store}")),
        _ if daemon.up => (State::Warning, store),
        _ => (State::Unknown, format!("no daemon answers and {store}")),
    }
}

fn line(a: &Attention) -> String {
    let of = a.subject().map_or(String::new(), |name| format!("{name} "));
    clean_all(&format!("{of}{}: {}", a.what, a.text))
}

impl Check {
    /// Numbers a monitoring system keeps, by their names.
    pub fn numbers(&self) -> Vec<(&'static str, i64)> {
        let mut numbers = Vec::new();
        if let Some(seen) = &self.seen {
            let urgent = |level| seen.attention.iter().filter(|a| a.level == level).count();
            let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            numbers.extend([
                ("jobs", seen.counts.jobs),
                ("running", seen.counts.running),
                ("queued", seen.counts.queued),
                ("urgent", size(urgent(Level::Urgent))),
                ("warnings", size(urgent(Level::Warning))),
                ("failed_today", seen.today.failed),
                ("missed_today", seen.today.missed),
            ]);
        }
        numbers
    }

    /// Writes it for a monitoring system.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let state = self.state.as_str().to_uppercase();
        // A bar would begin the numbers.
        let text = self.text.replace('|', "/");
        write!(out, "CRAKE {state} - {text}")?;
        let mut numbers: Vec<String> = self
            .numbers()
            .iter()
            .map(|(name, value)| format!("{name}={value};;;0"))
            .collect();
        if let Some(age) = self.daemon.beat_age_ms {
            numbers.push(format!("beat_age={age}ms;;{BEAT_MS};0"));
        }
        if !numbers.is_empty() {
            write!(out, " | {}", numbers.join(" "))?;
        }
        writeln!(out)?;
        for a in self.seen.iter().flat_map(|seen| &seen.attention) {
            let text = line(a).replace('|', "/");
            let hint = clean_all(&a.hint);
            writeln!(out, "{} {text} ({hint})", a.level.sign())?;
        }
        Ok(())
    }
}
