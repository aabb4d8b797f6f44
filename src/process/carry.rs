//! One attempt as its worker carries it, from the start to the proof that nothing of it is left.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::clock::Now;
use crate::model::{Exit, Fence, Order, Output, Report, StopCause, format_duration};
use crate::process::capture::{Recorder, Stream};
use crate::process::evidence::Signs;
use crate::process::ladder::{Climb, Ladder, collect};
use crate::process::launch::{Failure, Launched};
use crate::process::reap::Death;
use crate::schedule::UnixMs;

/// How long output is waited for after the first process is gone, milliseconds: long enough for a
/// filter at the end of a pipe, short enough for a daemon that keeps the pipe for ever.
const DRAIN_MS: i64 = 500;
/// Reads of one stream before something else gets its turn.
const READS_AT_ONCE: u32 = 16;

/// The source of a stream of the job and its name.
pub(in crate::process) struct Pipe {
    pub fd: Option<OwnedFd>,
    stream: Stream,
}

/// Input on its way to the job.
pub(in crate::process) struct Feed {
    pub fd: OwnedFd,
    bytes: Vec<u8>,
    sent: usize,
}

/// An attempt under way.
pub(in crate::process) struct Run {
    pub fence: Fence,
    pub pid: i32,
    pub pidfd: Option<OwnedFd>,
    pub pipes: [Pipe; 2],
    pub feed: Option<Feed>,
    pub started_boot: i64,
    worker: i32,
    timeout_ms: Option<i64>,
    silence_ms: Option<i64>,
    grace_ms: i64,
    started_at: UnixMs,
    heard_boot: i64,
    recorder: Recorder,
    ended: Option<(Exit, Now)>,
    cpu_ms: i64,
    max_rss: i64,
    stop: Option<StopCause>,
    ladder: Option<Ladder>,
    left_over: usize,
}

/// How far an attempt is.
pub(in crate::process) enum Progress {
    /// Still under way; look again at this instant of the boot clock, or when something happens.
    Under(Option<i64>),
    /// Over. What is left of it in spite of everything is said in the report, and `clean` is false.
    Over { report: Report, clean: bool },
}

impl Run {
    /// Takes charge of a job that was just started.
    pub fn of(order: Order, job: Launched, recorder: Recorder, worker: i32, now: Now) -> Run {
        let pidfd = Pid::from_raw(job.pid).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let pipe = |fd, stream| Pipe {
            fd: Some(fd),
            stream,
        };
        let mut run = Run {
            fence: order.fence,
            pid: job.pid,
            // Without it (no file descriptor to be had) SIGCHLD wakes the worker all the same.
            pidfd: pidfd.and_then(Result::ok),
            pipes: [pipe(job.out, Stream::Out), pipe(job.err, Stream::Err)],
            feed: job.feed.map(|fd| Feed {
                fd,
                bytes: order.stdin.unwrap_or_default().0,
                sent: 0,
            }),
            worker,
            timeout_ms: order.timeout_ms,
            silence_ms: order.silence_ms,
            grace_ms: order.kill_grace_ms,
            started_at: now.wall,
            started_boot: now.boot,
            heard_boot: now.boot,
            recorder,
            ended: None,
            cpu_ms: 0,
            max_rss: 0,
            stop: None,
            ladder: None,
            left_over: 0,
        };
        run.feed_on();
        run
    }

    /// What is known here of how the attempt fares.
    pub fn signs(&self, now: Now) -> Signs {
        Signs {
            fence: self.fence,
            now,
            started_boot: self.started_boot,
            heard_boot: self.heard_boot,
            out_bytes: self.recorder.total(),
            reaped_cpu_ms: self.cpu_ms,
        }
    }

    /// Ends the attempt, or hurries an ending that is under way. The first cause stays.
    pub fn stop(&mut self, cause: StopCause, grace_ms: i64, now: Now) {
        if self.ended.is_some() && self.ladder.is_none() {
            return;
        }
        match &mut self.ladder {
            Some(ladder) => ladder.hasten(now.boot.saturating_add(grace_ms.max(0))),
            None => {
                self.stop = Some(cause);
                self.ladder = Some(Ladder::ask(self.worker, self.pid, now.boot, grace_ms));
            }
        }
    }

    /// Reads what the job wrote, up to a bound.
    pub fn drain(&mut self, now: Now) {
        for pipe in &mut self.pipes {
            if read_some(pipe, &mut self.recorder, now) {
                self.heard_boot = now.boot;
            }
        }
        self.recorder.flush();
    }

    /// Writes as much of its input as the job takes.
    pub fn feed_on(&mut self) {
        let Some(feed) = &mut self.feed else {
            return;
        };
        while feed.sent < feed.bytes.len() {
            match rustix::io::write(&feed.fd, &feed.bytes[feed.sent..]) {
                Ok(count) => feed.sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // The job reads no more of it; that is its own affair.
                Err(_) => break,
            }
        }
        self.feed = None;
    }

    /// Collects the dead, keeps the limits, climbs the ladder.
    pub fn advance(&mut self, now: Now) -> Progress {
        let mut dead = Vec::new();
        let mut empty = collect(&mut |death| dead.push(death));
        self.bury(dead, now);
        if self.ended.is_none() && self.ladder.is_none() {
            self.keep_limits(now);
        }
        if let (Some((_, at)), None, false) = (self.ended, &self.ladder, empty) {
            let until = at.boot + DRAIN_MS;
            let open = self.pipes.iter().any(|p| p.fd.is_some());
            if open && now.boot < until {
                return Progress::Under(Some(until));
            }
            self.left_over = crate::process::tree::children(self.worker).len();
            self.ladder = Some(Ladder::kill(now.boot));
        }
        let mut survivors = Vec::new();
        if let Some(ladder) = &mut self.ladder
            && !empty
        {
            let mut dead = Vec::new();
            let climb = ladder.climb(self.worker, now.boot, |death| dead.push(death));
            self.bury(dead, now);
            match climb {
                Climb::Again(at) => return Progress::Under(Some(at)),
                Climb::Empty => empty = true,
                Climb::GaveUp(named) => survivors = named,
            }
        } else if !empty {
            return Progress::Under(self.next_limit());
        }
        Progress::Over {
            report: self.conclude(survivors, now),
            clean: empty,
        }
    }

    fn bury(&mut self, dead: Vec<Death>, now: Now) {
        for death in dead {
            self.cpu_ms += death.cpu_ms;
            self.max_rss = self.max_rss.max(death.max_rss);
            if death.pid == self.pid && self.ended.is_none() {
                self.ended = Some((death.exit, now));
                self.pidfd = None;
            }
        }
    }

    fn time_limit(&self) -> Option<i64> {
        self.timeout_ms
            .map(|ms| self.started_boot.saturating_add(ms))
    }

    fn silence_limit(&self) -> Option<i64> {
        self.silence_ms.map(|ms| self.heard_boot.saturating_add(ms))
    }

    fn next_limit(&self) -> Option<i64> {
        self.time_limit()
            .into_iter()
            .chain(self.silence_limit())
            .min()
    }

    fn keep_limits(&mut self, now: Now) {
        let passed = |limit: Option<i64>| limit.is_some_and(|at| at <= now.boot);
        if passed(self.time_limit()) {
            self.stop(StopCause::Timeout, self.grace_ms, now);
        } else if passed(self.silence_limit()) {
            self.stop(StopCause::Silence, self.grace_ms, now);
        }
    }

    fn conclude(&mut self, survivors: Vec<String>, now: Now) -> Report {
        // Nobody of the tree is left to write, so what is in the pipes now is all there will be;
        // the bound is for outsiders that were handed the job's output.
        for pipe in &mut self.pipes {
            for _ in 0..READS_AT_ONCE {
                if !read_some(pipe, &mut self.recorder, now) {
                    break;
                }
            }
            pipe.fd = None;
        }
        // A job the kernel does not let die was sent the signal that will end it.
        let (exit, ended) = self.ended.unwrap_or((Exit::Signal(9), now));
        Report {
            started_at: self.started_at,
            ended_at: ended.wall,
            exit,
            stop: self.stop,
            reason: self.reason(survivors),
            cpu_ms: self.cpu_ms,
            max_rss: self.max_rss,
            output: Output::default(),
        }
    }

    fn reason(&self, survivors: Vec<String>) -> Option<String> {
        let mut said = Vec::new();
        match (self.stop, self.timeout_ms, self.silence_ms) {
            (Some(StopCause::Timeout), Some(ms), _) => {
                said.push(format!("it ran longer than {}", format_duration(ms)));
            }
            (Some(StopCause::Silence), _, Some(ms)) => {
                said.push(format!("it wrote nothing for {}", format_duration(ms)));
            }
            _ => {}
        }
        if self.stop.is_none() && self.left_over > 0 {
            said.push("processes it left behind were ended".to_owned());
        }
        said.extend(survivors);
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// Ends the recording.
    pub fn close(self) -> Output {
        self.recorder.finish()
    }
}

// Says whether anything came.
fn read_some(pipe: &mut Pipe, recorder: &mut Recorder, now: Now) -> bool {
    let mut heard = false;
    let mut bytes = [0u8; 64 << 10];
    for _ in 0..READS_AT_ONCE {
        let Some(fd) = &pipe.fd else {
            break;
        };
        match rustix::io::read(fd.as_fd(), &mut bytes[..]) {
            Ok(0) => pipe.fd = None,
            Ok(count) => {
                heard = true;
                recorder.push(pipe.stream, now.wall, &bytes[..count]);
                // A short read has emptied the pipe.
                if count < bytes.len() {
                    break;
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(_) => pipe.fd = None,
        }
    }
    heard
}

/// The report of an attempt that was never executed.
pub(in crate::process) fn not_executed(failure: Failure, now: Now) -> Report {
    Report {
        started_at: now.wall,
        ended_at: now.wall,
        exit: Exit::Unspawnable(failure.errno),
        stop: None,
        reason: Some(failure.reason),
        cpu_ms: 0,
        max_rss: 0,
        output: Output::default(),
    }
}
