//! What a worker sees of the job it carries: samples of the tree of its processes.
//!
//! A sample says what is, and for how long it has been so; [`Evidence::condition`] gives the name
//! for it. Whoever reads it knows nothing the worker did not see, so that a reader, the core and
//! the worker itself never disagree.

use serde::{Deserialize, Serialize};

use crate::model::Fence;
use crate::model::words::words;

/// A core was wanted almost all the time for so long, without output and I/O: spinning.
pub const SPIN_MS: i64 = 30_000;
/// One wait for something outside lasted so long as seen: waiting. A sample may come a second late,
/// so the wait itself has lasted up to five seconds.
pub const WAIT_MS: i64 = 4_000;
/// A wait this long is worth telling.
pub const LONG_WAIT_MS: i64 = 60_000;
/// One uninterruptible sleep lasted so long.
pub const DISK_MS: i64 = 10_000;
/// No output, CPU or I/O for so long.
pub const QUIET_MS: i64 = 60_000;

words! {
    /// What samples alone say of a job that is out of the ordinary.
    Condition, "condition" {
        /// A process is in uninterruptible sleep.
        DiskWait => "disk_wait",
        /// A process is stopped by a signal or a tracer.
        Stopped => "stopped",
        /// A core is busy and nothing comes of it.
        Spinning => "spinning",
        /// It waits for something outside its own processes.
        Waiting => "waiting",
        /// Nothing at all happens.
        Quiet => "quiet",
    }
}

words! {
    /// What a process waits for.
    WaitFor, "wait" {
        /// Something outside the tree: a socket, a named pipe, a terminal, a lock on a file.
        Outside => "outside",
        /// Time to pass.
        Time => "time",
        /// Another process or thread of the tree, or a pipe between them.
        Inside => "inside",
        /// A child to end.
        Child => "child",
    }
}

/// A system call that has not come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What for.
    pub on: WaitFor,
    /// The call, as `read`, or the kernel's function where the call cannot be seen.
    pub call: String,
    /// Whom or what it concerns: the address of a peer, a path.
    pub object: Option<String>,
}

/// The process of the tree that matters: the busiest, or else one that waits for more than its child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its process id.
    pub pid: i32,
    /// Its name, as the kernel has it.
    pub name: String,
    /// `R`, `S`, `D`, `T`, `t`, `Z` and so on.
    pub state: char,
    /// What it waits for, where it waits.
    pub wait: Option<Wait>,
    /// The kernel's function it sleeps in.
    pub wchan: Option<String>,
    /// How long every sample has found it like this, milliseconds.
    pub for_ms: i64,
}

/// One sample and what the samples before it add up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The claim of the attempt.
    pub fence: Fence,
    /// When the worker's loop last came round, milliseconds on the boot clock.
    pub beat_boot: i64,
    /// How long the attempt lasts, milliseconds.
    pub busy_ms: i64,
    /// CPU time of everything that ever belonged to the tree, milliseconds.
    pub cpu_ms: i64,
    /// CPU over the last seconds; 100 is one core.
    pub cpu_percent: i64,
    /// Bytes read and written by read(2), write(2) and their like (`rchar` and `wchar` of
    /// `/proc/PID/io`): files, pipes and terminals, cached or not; of sockets only what did not go
    /// through recv(2) and send(2). Absent where the kernel does not let us see it.
    pub io_bytes: Option<u64>,
    /// Resident memory, bytes; what processes share counts for each.
    pub rss_bytes: i64,
    /// Processes in the tree.
    pub processes: u32,
    /// Whether there are more than were looked at.
    pub more: bool,
    /// How many processes are in which state, as `R1 S3`.
    pub states: String,
    /// Bytes of output so far.
    pub out_bytes: u64,
    /// Since the last output, or the start where there was none, milliseconds.
    pub out_age_ms: i64,
    /// How long a core was wanted without output and I/O, milliseconds.
    pub spin_ms: i64,
    /// Since the last output, CPU or I/O, milliseconds.
    pub quiet_ms: i64,
    /// The process that matters.
    pub subject: Option<Subject>,
}

impl Evidence {
    /// What is out of the ordinary, if anything is; the plainest sign first.
    pub fn condition(&self) -> Option<Condition> {
        let state = self.subject.as_ref().map_or('?', |s| s.state);
        let for_ms = self.subject.as_ref().map_or(0, |s| s.for_ms);
        if matches!(state, 'T' | 't') {
            Some(Condition::Stopped)
        } else if state == 'D' && for_ms >= DISK_MS {
            Some(Condition::DiskWait)
        } else if self.spin_ms >= SPIN_MS {
            Some(Condition::Spinning)
        } else if self.waits_outside() && for_ms >= WAIT_MS {
            Some(Condition::Waiting)
        } else if self.quiet_ms >= QUIET_MS {
            Some(Condition::Quiet)
        } else {
            None
        }
    }

    /// The condition, where it is worth an event: as [`Evidence::condition`], but a wait has to last,
    /// and a process stopped for an instant is passed over.
    pub fn telling(&self) -> Option<Condition> {
        let for_ms = self.subject.as_ref().map_or(0, |s| s.for_ms);
        self.condition().filter(|condition| match condition {
            Condition::Waiting => for_ms >= LONG_WAIT_MS,
            Condition::Stopped => for_ms > 0,
            Condition::DiskWait | Condition::Spinning | Condition::Quiet => true,
        })
    }

    fn waits_outside(&self) -> bool {
        let wait = self.subject.as_ref().and_then(|s| s.wait.as_ref());
        wait.is_some_and(|wait| wait.on == WaitFor::Outside)
    }

    /// What the samples show, in words: what the process that matters does, and since when.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        if self.condition() == Some(Condition::Spinning) {
            parts.push(format!(
                "{}% of a core for {} without output or I/O",
                self.cpu_percent,
                round(self.spin_ms)
            ));
        }
        match &self.subject {
            Some(subject) => parts.push(subject.words()),
            None => parts.push("no process seen".to_owned()),
        }
        if self.quiet_ms >= QUIET_MS {
            parts.push(format!(
                "no output, CPU or I/O for {}",
                round(self.quiet_ms)
            ));
        }
        if self.more {
            parts.push(format!("more than {} processes", self.processes));
        }
        parts.join("; ")
    }
}

impl Subject {
    /// What it does and since when.
    pub fn words(&self) -> String {
        let who = format!("{} ({})", self.name, self.pid);
        let since = round(self.for_ms);
        let wchan = self.wchan.as_deref().unwrap_or("-");
        match (self.state, &self.wait) {
            ('R', _) => format!("{who} computes"),
            ('D', _) => format!("{who} in disk wait, wchan {wchan}, for {since}"),
            ('T', _) => format!("{who} stopped by a signal for {since}"),
            ('t', _) => format!("{who} stopped by a tracer for {since}"),
            ('Z' | 'X', _) => format!("{who} is gone and not yet collected"),
            (_, Some(wait)) => format!("{who} {} for {since}", wait.words()),
            (_, None) => format!("{who} asleep, wchan {wchan}, for {since}"),
        }
    }
}

impl Wait {
    fn words(&self) -> String {
        let call = &self.call;
        let from = match call.as_str() {
            "read" | "recv" => " from",
            "write" | "send" | "connect" => " to",
            _ => " on",
        };
        let object = match &self.object {
            Some(object) => format!("{from} {object}"),
            None => String::new(),
        };
        match self.on {
            WaitFor::Outside => format!("blocked: {call}{object}"),
            WaitFor::Time => format!("sleeping ({call})"),
            WaitFor::Inside => format!("waits inside: {call}{object}"),
            WaitFor::Child => format!("waits for a child ({call})"),
        }
    }
}

/// A length of time as a person says it: `12s`, `12m`, `3h`, `2d`.
fn round(ms: i64) -> String {
    match ms / 1_000 {
        s @ ..60 => format!("{s}s"),
        s @ 60..3_600 => format!("{}m{:02}s", s / 60, s % 60),
        s @ 3_600..86_400 => format!("{}h{:02}m", s / 3_600, s % 3_600 / 60),
        s => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Condition, Evidence, Fence, Subject, Wait, WaitFor};

    fn seen(state: char, on: Option<WaitFor>, for_ms: i64) -> Evidence {
        let wait = on.map(|on| Wait {
            on,
            call: "recv".to_owned(),
            object: Some("10.0.0.5:22".to_owned()),
        });
        Evidence {
            fence: Fence(1),
            beat_boot: 0,
            busy_ms: 100_000,
            cpu_ms: 0,
            cpu_percent: 0,
            io_bytes: Some(0),
            rss_bytes: 0,
            processes: 1,
            more: false,
            states: "S1".to_owned(),
            out_bytes: 0,
            out_age_ms: 0,
            spin_ms: 0,
            quiet_ms: 0,
            subject: Some(Subject {
                pid: 7,
                name: "ssh".to_owned(),
                state,
                wait,
                wchan: Some("nfs_wait".to_owned()),
                for_ms,
            }),
        }
    }

    #[test]
    fn each_condition_begins_at_its_own_time() {
        let outside = Some(WaitFor::Outside);
        let spin = |spin_ms| Evidence {
            spin_ms,
            ..seen('R', None, 0)
        };
        let quiet = |quiet_ms| Evidence {
            quiet_ms,
            ..seen('S', Some(WaitFor::Time), quiet_ms)
        };
        for (evidence, expected) in [
            (seen('S', outside, 3_999), None),
            (seen('S', outside, 4_000), Some(Condition::Waiting)),
            (seen('S', Some(WaitFor::Time), 50_000), None),
            (seen('S', Some(WaitFor::Child), 50_000), None),
            (seen('T', None, 0), Some(Condition::Stopped)),
            (seen('t', None, 0), Some(Condition::Stopped)),
            (seen('D', None, 9_999), None),
            (seen('D', None, 10_000), Some(Condition::DiskWait)),
            (spin(29_999), None),
            (spin(30_000), Some(Condition::Spinning)),
            (quiet(59_999), None),
            (quiet(60_000), Some(Condition::Quiet)),
        ] {
            assert_eq!(evidence.condition(), expected, "{evidence:?}");
        }
        assert_eq!(seen('S', outside, 59_999).telling(), None);
        assert_eq!(seen('T', None, 0).telling(), None);
        let stopped = seen('T', None, 900).telling();
        assert_eq!(stopped, Some(Condition::Stopped));
        let long = seen('S', outside, 60_000).telling();
        assert_eq!(long, Some(Condition::Waiting));
    }

    #[test]
    fn the_evidence_is_told_in_words() {
        let wait = seen('S', Some(WaitFor::Outside), 720_000).words();
        assert_eq!(wait, "ssh (7) blocked: recv from 10.0.0.5:22 for 12m00s");
        let disk = seen('D', None, 12_000).words();
        assert_eq!(disk, "ssh (7) in disk wait, wchan nfs_wait, for 12s");
        let spin = Evidence {
            spin_ms: 31_000,
            cpu_percent: 99,
            ..seen('R', None, 0)
        };
        assert_eq!(
            spin.words(),
            "99% of a core for 31s without output or I/O; ssh (7) computes"
        );
    }
}
