//! The status as metrics, in the text format of OpenMetrics 1.0, which Prometheus reads.
//!
//! Everything is a gauge: what is counted is what the store still holds, and that shrinks when it is
//! pruned.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::model::Outcome;
use crate::schedule::{UnixMs, Zone};
use crate::store::{LastEnd, QueueRow, Result, Store};
use crate::view::attention::Level;
use crate::view::status::Status;
use crate::view::time::day_start;
use crate::view::watches::{WatchView, standings};

/// What the metrics say beside the status.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// How the latest run of each job ended.
    pub ends: Vec<(String, LastEnd)>,
    /// The next instant of each job.
    pub next: Vec<(String, UnixMs)>,
    /// The queues.
    pub queues: Vec<QueueRow>,
    /// The watches.
    pub watches: Vec<WatchView>,
}

impl Measured {
    /// Reads it.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(store: &Store, status: &Status, zone: &Zone, now: UnixMs) -> Result<Measured> {
        Ok(Measured {
            ends: store.last_ends()?,
            next: store.next_by_job()?,
            queues: store.queue_rows(day_start(now, zone), now)?,
            watches: standings(store, &status.daemon, now)?,
        })
    }
}

/// Everything as text, with the line that ends it.
pub fn metrics(status: &Status, measured: &Measured, now: UnixMs) -> String {
    let mut text = Text::default();
    daemon(&mut text, status);
    instance(&mut text, status);
    jobs(&mut text, measured);
    queues(&mut text, &measured.queues, now);
    watches(&mut text, &measured.watches);
    text.0.push_str("# EOF\n");
    text.0
}

fn daemon(text: &mut Text, status: &Status) {
    let daemon = &status.daemon;
    let flag = |yes: bool| Some(f64::from(u8::from(yes)));
    text.one("crake_up", "Whether the daemon answers.", flag(daemon.up));
    text.one(
        "crake_degraded",
        "Whether the daemon works without its store.",
        flag(daemon.degraded.is_some()),
    );
    text.one(
        "crake_beat_age_seconds",
        "How long ago the firing loop came round.",
        daemon.beat_age_ms.map(seconds),
    );
    text.one(
        "crake_start_time_seconds",
        "When the daemon started.",
        daemon.since.filter(|_| daemon.up).map(seconds),
    );
    text.one(
        "crake_draining",
        "Whether no run may start.",
        flag(status.drain.is_some()),
    );
}

fn instance(text: &mut Text, status: &Status) {
    let counts = status.counts;
    let counted = [
        ("crake_jobs", "Jobs.", counts.jobs),
        ("crake_jobs_paused", "Jobs that are paused.", counts.paused),
        ("crake_runs_running", "Runs alive.", counts.running),
        ("crake_runs_queued", "Runs that wait.", counts.queued),
    ];
    for (name, help, value) in counted {
        text.one(name, help, Some(value as f64));
    }
    let today = status.today;
    let ended = [("succeeded", today.succeeded), ("failed", today.failed)];
    text.family("crake_today_runs", "Runs that ended today.");
    for (outcome, value) in ended {
        text.sample("crake_today_runs", &[("outcome", outcome)], value as f64);
    }
    let fires = [("missed", today.missed), ("skipped", today.skipped)];
    text.family("crake_today_fires", "Fires of today that got no run.");
    for (verdict, value) in fires {
        text.sample("crake_today_fires", &[("verdict", verdict)], value as f64);
    }
    text.one(
        "crake_next_fire_timestamp_seconds",
        "The next planned instant.",
        status.next_at.map(seconds),
    );
    let mut kinds: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for level in [Level::Urgent, Level::Warning] {
        let of_level = status.attention.iter().filter(|a| a.level == level).count();
        kinds.insert((level.as_str(), ""), of_level as i64);
    }
    for a in &status.attention {
        *kinds
            .entry((a.level.as_str(), a.kind.as_str()))
            .or_default() += 1;
    }
    text.family("crake_attention", "What somebody should look at, by level.");
    for ((level, _), value) in kinds.iter().filter(|((_, kind), _)| kind.is_empty()) {
        text.sample("crake_attention", &[("level", level)], *value as f64);
    }
    text.family(
        "crake_attention_by_kind",
        "The same by the rule that found it.",
    );
    for ((level, kind), value) in kinds.iter().filter(|((_, kind), _)| !kind.is_empty()) {
        let labels = [("level", *level), ("kind", *kind)];
        text.sample("crake_attention_by_kind", &labels, *value as f64);
    }
}

fn jobs(text: &mut Text, measured: &Measured) {
    let ends = &measured.ends;
    let each = |text: &mut Text, name: &str, help: &str, value: fn(&LastEnd) -> Option<f64>| {
        text.family(name, help);
        for (job, end) in ends {
            if let Some(value) = value(end) {
                text.sample(name, &[("job", job)], value);
            }
        }
    };
    each(
        text,
        "crake_job_last_end_timestamp_seconds",
        "When the latest run of the job ended.",
        |end| Some(seconds(end.ended_at)),
    );
    each(
        text,
        "crake_job_last_success",
        "Whether that run succeeded.",
        |end| Some(f64::from(u8::from(end.outcome == Outcome::Succeeded))),
    );
    each(
        text,
        "crake_job_last_duration_seconds",
        "How long that run took.",
        |end| Some(seconds((end.ended_at - end.started_at?).max(0))),
    );
    let name = "crake_job_next_fire_timestamp_seconds";
    text.family(name, "The next planned instant of the job.");
    for (job, at) in &measured.next {
        text.sample(name, &[("job", job)], seconds(*at));
    }
}

fn queues(text: &mut Text, rows: &[QueueRow], now: UnixMs) {
    let each = |text: &mut Text, name: &str, help: &str, value: &dyn Fn(&QueueRow) -> f64| {
        text.family(name, help);
        for row in rows {
            text.sample(name, &[("queue", &row.queue.name)], value(row));
        }
    };
    each(text, "crake_queue_running", "Runs alive.", &|row| {
        row.running as f64
    });
    each(text, "crake_queue_waiting", "Runs that wait.", &|row| {
        row.waiting as f64
    });
    each(
        text,
        "crake_queue_oldest_wait_seconds",
        "How long the run has waited that could start and has waited longest.",
        &|row| row.oldest_at.map_or(0.0, |at| seconds((now - at).max(0))),
    );
    each(
        text,
        "crake_queue_paused",
        "Whether the queue is paused.",
        &|row| f64::from(u8::from(row.queue.paused_at.is_some())),
    );
}

fn watches(text: &mut Text, views: &[WatchView]) {
    let name = "crake_watch_state";
    text.family(name, "How the watch stands: 1 with the label of its state.");
    for view in views {
        let watch = &view.row.watch;
        let state = view.health.state.as_str();
        let labels = [
            ("watch", watch.name.as_str()),
            ("source", watch.source.as_str()),
            ("state", state),
        ];
        text.sample(name, &labels, 1.0);
    }
    let name = "crake_watch_last_ok_timestamp_seconds";
    text.family(name, "When the last poll that went well began.");
    for view in views {
        if let Some(at) = view.row.last_ok {
            text.sample(name, &[("watch", &view.row.watch.name)], seconds(at));
        }
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// The exposition as it grows.
#[derive(Default)]
struct Text(String);

impl Text {
    /// Begins a family; the unit is the end of its name, as the format wants it.
    fn family(&mut self, name: &str, help: &str) {
        self.line(format_args!("# TYPE {name} gauge"));
        if name.ends_with("_seconds") {
            self.line(format_args!("# UNIT {name} seconds"));
        }
        self.line(format_args!("# HELP {name} {help}"));
    }

    /// A family of one sample, or of none.
    fn one(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.family(name, help);
        if let Some(value) = value {
            self.sample(name, &[], value);
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        match labels.is_empty() {
            true => self.line(format_args!("{name} {value}")),
            false => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing into a text fails never.
        let _ = writeln!(self.0, "{line}");
    }
}

/// A value of a label: backslash, quote and end of line are escaped.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{Text, escaped};

    #[test]
    fn a_label_may_hold_anything() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
        let mut text = Text::default();
        text.one("crake_x_seconds", "X.", Some(1.5));
        assert_eq!(
            text.0,
            "# TYPE crake_x_seconds gauge\n# UNIT crake_x_seconds seconds\n\
             # HELP crake_x_seconds X.\ncrake_x_seconds 1.5\n"
        );
    }
}
