//! What the samples of one attempt add up to: for how long things have been as they are.

use std::collections::VecDeque;

use crate::clock::Now;
use crate::model::{Evidence, Fence, Subject};
use crate::process::evidence::look::Reading;

/// Samples over which CPU percent is taken.
const LATELY: usize = 5;
/// Samples kept: those of the time after which a job is called spinning, and some more.
const KEPT: usize = 40;
/// A core is busy when so much of it is wanted, percent.
const SPIN_PERCENT: i64 = 90;
/// CPU that does not count, percent of a core: the ticks of a timer in a program that waits.
const IDLE_PERCENT: i64 = 1;
/// The grain of the kernel's figures, milliseconds.
const GRAIN_MS: i64 = 10;

/// What the worker's loop knows when it comes round.
#[derive(Clone, Copy, Debug)]
pub(in crate::process) struct Signs {
    /// The claim of the attempt.
    pub fence: Fence,
    /// When it came round.
    pub now: Now,
    /// When the attempt started, boot clock.
    pub started_boot: i64,
    /// When the job wrote last, or started, boot clock.
    pub heard_boot: i64,
    /// Bytes it wrote so far.
    pub out_bytes: u64,
    /// CPU time of those the worker has waited for, milliseconds.
    pub reaped_cpu_ms: i64,
}

#[derive(Clone, Copy)]
struct Point {
    boot: i64,
    cpu_ms: i64,
    /// CPU got or stood in line for, milliseconds, summed up.
    wanted_ms: i64,
    /// Whether output or I/O came since the point before.
    moved: bool,
}

/// The samples of one attempt so far.
pub(in crate::process) struct History {
    fence: Fence,
    points: VecDeque<Point>,
    spin_since: Option<i64>,
    active_boot: i64,
    out_bytes: u64,
    held: Option<(Subject, u64, i64)>,
}

impl History {
    /// Of an attempt not looked at yet.
    pub fn of(signs: &Signs) -> History {
        History {
            fence: signs.fence,
            points: VecDeque::new(),
            spin_since: None,
            active_boot: signs.started_boot,
            out_bytes: 0,
            held: None,
        }
    }

    /// Whose it is.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// How long ago the last look was, milliseconds.
    pub fn since(&self, signs: &Signs) -> i64 {
        let last = self.points.back().map_or(signs.started_boot, |p| p.boot);
        (signs.now.boot - last).max(0)
    }

    /// Adds a look.
    pub fn fold(&mut self, signs: &Signs, reading: Reading) -> Evidence {
        let boot = signs.now.boot;
        let passed = self.since(signs);
        let cpu_ms = signs.reaped_cpu_ms + reading.cpu_ms;
        let last = self.points.back();
        let used = (cpu_ms - last.map_or(0, |p| p.cpu_ms)).max(0);
        let wrote = signs.out_bytes > std::mem::replace(&mut self.out_bytes, signs.out_bytes);
        // Where I/O cannot be seen, nobody may say that there was none.
        let moved = wrote || reading.io_moved || reading.io_bytes.is_none();
        let point = Point {
            boot,
            cpu_ms,
            wanted_ms: last.map_or(0, |p| p.wanted_ms) + used + reading.in_line_ms,
            moved,
        };
        let idle = used <= (passed * IDLE_PERCENT / 100).max(GRAIN_MS);
        if wrote || reading.io_moved || !idle {
            self.active_boot = boot;
        }
        self.points.push_back(point);
        if self.points.len() > KEPT {
            self.points.pop_front();
        }
        Evidence {
            fence: self.fence,
            beat_boot: boot,
            busy_ms: boot - signs.started_boot,
            cpu_ms,
            cpu_percent: self.cpu_percent(signs),
            io_bytes: reading.io_bytes,
            rss_bytes: reading.rss_bytes,
            processes: reading.processes,
            more: reading.more,
            states: reading.states,
            out_bytes: signs.out_bytes,
            out_age_ms: boot - signs.heard_boot,
            spin_ms: self.spin_ms(),
            quiet_ms: boot - self.active_boot,
            subject: reading
                .subject
                .map(|(subject, turns)| self.hold(subject, turns, idle, boot)),
        }
    }

    fn cpu_percent(&self, signs: &Signs) -> i64 {
        let Some(last) = self.points.back() else {
            return 0;
        };
        let from = self.points.len().checked_sub(LATELY + 1);
        let from = from.or((self.points.len() > 1).then_some(0));
        let (boot, cpu_ms) = from
            .and_then(|i| self.points.get(i))
            .map_or((signs.started_boot, 0), |p| (p.boot, p.cpu_ms));
        let passed = (last.boot - boot).max(1);
        (last.cpu_ms - cpu_ms).max(0) * 100 / passed
    }

    // For how long a core has been wanted with nothing to show for it. The figure is an average
    // over the whole time: a single sample may come early or late.
    fn spin_ms(&mut self) -> i64 {
        let Some(last) = self.points.back().copied() else {
            return 0;
        };
        if last.moved {
            self.spin_since = None;
            return 0;
        }
        let quiet_from = self.points.iter().rposition(|p| p.moved).unwrap_or(0);
        let busy = |p: &&Point| {
            let passed = last.boot - p.boot;
            (last.wanted_ms - p.wanted_ms) * 100 >= passed * SPIN_PERCENT && passed > 0
        };
        let since = self.points.iter().skip(quiet_from).find(busy);
        // Samples further back are no longer kept, so the beginning of a long spin is remembered.
        self.spin_since = since.map(|p| match self.spin_since {
            Some(earlier) if quiet_from == 0 => earlier.min(p.boot),
            _ => p.boot,
        });
        self.spin_since.map_or(0, |since| last.boot - since)
    }

    fn hold(&mut self, mut subject: Subject, turns: u64, idle: bool, boot: i64) -> Subject {
        let same = |(held, held_turns, _): &&(Subject, u64, i64)| {
            let wait = |s: &Subject| s.wait.as_ref().map(|w| (w.call.clone(), w.object.clone()));
            held.pid == subject.pid
                && held.state == subject.state
                && wait(held) == wait(&subject)
                && *held_turns == turns
                // A wait that is broken again and again by work is none.
                && (idle || subject.state != 'S')
        };
        let since = self.held.as_ref().filter(same).map_or(boot, |h| h.2);
        subject.for_ms = boot - since;
        self.held = Some((subject.clone(), turns, since));
        subject
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::Now;
    use crate::model::{Condition, Evidence, Fence, Subject, Wait, WaitFor};
    use crate::process::evidence::history::{History, Signs};
    use crate::process::evidence::look::Reading;

    struct Story {
        history: History,
        signs: Signs,
        reading: Reading,
    }

    fn story() -> Story {
        let signs = Signs {
            fence: Fence(1),
            now: Now::default(),
            started_boot: 0,
            heard_boot: 0,
            out_bytes: 0,
            reaped_cpu_ms: 0,
        };
        Story {
            history: History::of(&signs),
            signs,
            reading: Reading {
                io_bytes: Some(0),
                processes: 1,
                ..Reading::default()
            },
        }
    }

    impl Story {
        /// So many seconds in each of which the job uses `cpu_ms` and stands in line `in_line_ms`.
        fn seconds(&mut self, count: i64, cpu_ms: i64, in_line_ms: i64) -> Evidence {
            let mut last = None;
            for _ in 0..count {
                self.signs.now.boot += 1_000;
                self.reading.cpu_ms += cpu_ms;
                self.reading.in_line_ms = in_line_ms;
                last = Some(self.history.fold(&self.signs, self.reading.clone()));
            }
            last.unwrap()
        }

        fn sleeps_in(&mut self, state: char, call: &str) {
            let wait = Wait {
                on: WaitFor::Outside,
                call: call.to_owned(),
                object: None,
            };
            let subject = Subject {
                pid: 7,
                name: "x".to_owned(),
                state,
                wait: (state == 'S').then_some(wait),
                wchan: None,
                for_ms: 0,
            };
            self.reading.subject = Some((subject, 0));
        }
    }

    #[test]
    fn a_spin_is_seen_after_thirty_seconds_and_lasts_as_long_as_it_does() {
        let mut story = story();
        assert_eq!(story.seconds(30, 1_000, 0).condition(), None);
        let seen = story.seconds(1, 1_000, 0);
        assert_eq!(seen.condition(), Some(Condition::Spinning));
        assert_eq!(seen.cpu_percent, 100);
        assert_eq!(story.seconds(600, 950, 0).spin_ms, 630_000);
        assert_eq!(story.seconds(10, 0, 0).spin_ms, 0);
    }

    #[test]
    fn a_spin_that_has_to_stand_in_line_for_a_core_is_one_all_the_same() {
        let seen = story().seconds(31, 300, 650);
        assert_eq!(seen.condition(), Some(Condition::Spinning));
        assert_eq!(story().seconds(40, 800, 0).condition(), None);
    }

    #[test]
    fn output_and_io_end_a_spin() {
        let mut story = story();
        story.seconds(29, 1_000, 0);
        story.signs.out_bytes += 1;
        assert_eq!(story.seconds(1, 1_000, 0).spin_ms, 0);
        assert_eq!(story.seconds(29, 1_000, 0).condition(), None);
        story.reading.io_moved = true;
        assert_eq!(story.seconds(1, 1_000, 0).spin_ms, 0);
        story.reading.io_moved = false;
        // Where I/O is not to be seen, nothing is said.
        story.reading.io_bytes = None;
        assert_eq!(story.seconds(40, 1_000, 0).spin_ms, 0);
    }

    #[test]
    fn quiet_grows_until_anything_happens() {
        let mut story = story();
        assert_eq!(story.seconds(5, 10, 0).quiet_ms, 5_000);
        assert_eq!(story.seconds(1, 500, 0).quiet_ms, 0);
        assert_eq!(story.seconds(60, 0, 0).condition(), Some(Condition::Quiet));
        story.signs.out_bytes += 1;
        assert_eq!(story.seconds(1, 0, 0).quiet_ms, 0);
    }

    #[test]
    fn a_wait_lasts_while_it_is_the_same_one_and_nothing_is_done() {
        let mut story = story();
        story.sleeps_in('S', "recv");
        assert_eq!(story.seconds(4, 0, 0).condition(), None);
        let seen = story.seconds(1, 0, 0);
        assert_eq!(seen.condition(), Some(Condition::Waiting));
        assert_eq!(story.seconds(1, 200, 0).condition(), None);
        story.seconds(20, 0, 0);
        story.sleeps_in('S', "accept");
        assert_eq!(story.seconds(1, 0, 0).condition(), None);
        story.sleeps_in('T', "");
        assert_eq!(story.seconds(1, 0, 0).condition(), Some(Condition::Stopped));
        assert_eq!(story.seconds(1, 0, 0).telling(), Some(Condition::Stopped));
    }
}
