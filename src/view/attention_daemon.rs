//! What somebody should look at of the daemon itself.

use crate::schedule::UnixMs;
use crate::store::Counts;
use crate::view::Daemon;
use crate::view::attention::{Attention, Kind, Level};
use crate::view::time::span;
use crate::view::words::count;

/// How long the firing loop may take to come round, milliseconds.
pub const BEAT_MS: i64 = 10_000;

/// Deaths of the daemon in a row that are more than an accident.
pub const FLAPPING: u32 = 3;

/// Applies the rules about the daemon.
pub(in crate::view) fn of_daemon(daemon: &Daemon, counts: &Counts, now: UnixMs) -> Vec<Attention> {
    let about = |kind, what, text: String, hint: &str| Attention {
        level: Level::Urgent,
        kind,
        what,
        job: None,
        run: None,
        watch: None,
        since: daemon.since,
        text,
        hint: hint.to_owned(),
    };
    let waiting = counts.running + counts.queued;
    let mut found = Vec::new();
    if !daemon.up && counts.jobs + waiting > 0 {
        let text = match &daemon.silent {
            Some(why) => why.clone(),
            None if waiting == 0 => {
                format!("nobody keeps time for {}", count(counts.jobs, "job"))
            }
            None => format!(
                "nobody keeps time for {} and {}",
                count(counts.jobs, "job"),
                count(waiting, "run")
            ),
        };
        found.push(about(Kind::Daemon, "DOWN", text, "crake daemon"));
    }
    if daemon.up && daemon.deaths >= FLAPPING {
        let times = daemon.deaths;
        let how = daemon.ending.as_deref().unwrap_or("nobody saw how");
        let text = format!("died {times} times in a row, the last time {how}");
        found.push(about(Kind::Flapping, "FLAPPING", text, "crake events"));
    }
    if let Some(why) = &daemon.degraded {
        found.push(about(
            Kind::Degraded,
            "DEGRADED",
            why.clone(),
            "crake events",
        ));
    }
    if let Some(age) = daemon.beat_age_ms.filter(|age| *age > BEAT_MS) {
        let text = format!("the firing loop last came round {} ago", span(age));
        let beat = about(Kind::Beat, "BEAT", text, "crake events");
        found.push(Attention {
            watch: None,
            since: Some(now - age),
            ..beat
        });
    }
    found
}
