//! The overview: whether the daemon keeps time, what needs attention, and how the day goes.

use std::io::{self, Write};

use crate::schedule::{UnixMs, Zone};
use crate::store::{Counts, Drain, Result, Store, Totals};
use crate::view::Daemon;
use crate::view::attention::{Attention, attention_beside, recorded};
use crate::view::attention_daemon::FLAPPING;
use crate::view::text::clean_all;
use crate::view::time::{day_start, relative, short, span, stamp};
use crate::view::words::count;

/// What one look at an instance shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The daemon.
    pub daemon: Daemon,
    /// Jobs and live runs.
    pub counts: Counts,
    /// What somebody should look at, most urgent first.
    pub attention: Vec<Attention>,
    /// The day so far, on the zone's calendar.
    pub today: Totals,
    /// The next planned instant.
    pub next_at: Option<UnixMs>,
    /// That no run may start, where somebody said so.
    pub drain: Option<Drain>,
}

/// Looks at an instance.
///
/// # Errors
/// Those of reading.
pub fn status(store: &Store, daemon: Daemon, zone: &Zone, now: UnixMs) -> Result<Status> {
    status_beside(recorded(store, now)?, store, daemon, zone, now)
}

/// The same where what the rules find in what is recorded is known.
///
/// # Errors
/// Those of reading.
pub fn status_beside(
    recorded: Vec<Attention>,
    store: &Store,
    daemon: Daemon,
    zone: &Zone,
    now: UnixMs,
) -> Result<Status> {
    Ok(Status {
        attention: attention_beside(recorded, store, &daemon, zone, now)?,
        daemon,
        counts: store.counts(now)?,
        today: store.totals(day_start(now, zone))?,
        next_at: store.next_planned(now)?,
        drain: store.drain()?,
    })
}

impl Status {
    /// Writes it for people.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(
        &self,
        out: &mut dyn Write,
        host: &str,
        zone: &Zone,
        now: UnixMs,
    ) -> io::Result<()> {
        let jobs = match self.counts.paused {
            0 => count(self.counts.jobs, "job"),
            paused => format!("{}, {paused} paused", count(self.counts.jobs, "job")),
        };
        let live = format!(
            "{} running, {} queued",
            self.counts.running, self.counts.queued
        );
        let daemon = daemon_words(&self.daemon, zone, now);
        writeln!(out, "{}  {daemon}  {jobs}, {live}", clean_all(host))?;
        write_attention(&self.attention, out, now)?;
        let today = self.today;
        write!(
            out,
            "today {} ok, {} failed, {} missed, {} skipped",
            today.succeeded, today.failed, today.missed, today.skipped
        )?;
        match self.next_at {
            Some(at) => writeln!(
                out,
                "   next {} ({})",
                stamp(at, zone, now),
                relative(at, now)
            ),
            // The cursors in the store stay where they are while it cannot be written.
            None if self.daemon.degraded.is_some() => {
                writeln!(out, "   next: not known while degraded")
            }
            None => writeln!(out, "   next: nothing is planned"),
        }
    }
}

/// The daemon in a few words; one that is not there is not to be overlooked.
pub fn daemon_words(daemon: &Daemon, zone: &Zone, now: UnixMs) -> String {
    if !daemon.up {
        let why = match &daemon.silent {
            Some(why) => format!("DAEMON DOES NOT ANSWER: {}", clean_all(why)),
            None => "DAEMON DOWN".to_owned(),
        };
        return match daemon.since {
            Some(at) => format!(
                "{why} since {} ({})",
                stamp(at, zone, now),
                relative(at, now)
            ),
            None if daemon.silent.is_some() => why,
            None => format!("{why}: it never ran here"),
        };
    }
    let up = daemon
        .since
        .map_or(String::new(), |at| format!(" {}", short(now - at)));
    let pid = daemon.pid.map_or("?".to_owned(), |pid| pid.to_string());
    let beat = daemon.beat_age_ms.map_or("?".to_owned(), span);
    let degraded = if daemon.degraded.is_some() {
        ", DEGRADED"
    } else {
        ""
    };
    let flapping = match daemon.deaths {
        deaths if deaths >= FLAPPING => ", FLAPPING",
        _ => "",
    };
    format!("daemon up{up} (pid {pid}, beat {beat}{degraded}{flapping})")
}

fn write_attention(list: &[Attention], out: &mut dyn Write, now: UnixMs) -> io::Result<()> {
    match list.len() {
        0 => return writeln!(out, "nothing needs attention"),
        1 => writeln!(out, "1 needs attention")?,
        n => writeln!(out, "{n} need attention")?,
    }
    let wide = |f: fn(&Attention) -> usize| list.iter().map(f).max().unwrap_or(0);
    let what = wide(|a| a.what.len());
    let job = wide(|a| a.subject().map_or(1, |j| j.chars().count()));
    for a in list {
        let since = a
            .since
            .map_or(String::new(), |at| format!(" {}", relative(at, now)));
        writeln!(
            out,
            "  {} {:what$}  {:job$}  {}{since}   {}",
            a.level.sign(),
            a.what,
            clean_all(a.subject().unwrap_or("-")),
            clean_all(&a.text),
            clean_all(&a.hint),
        )?;
    }
    Ok(())
}
