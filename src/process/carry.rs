//! One attempt as its worker carries it, from the start to the proof that nothing of it is left.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::clock::Now;
use crate::model::{Command, Exit, Fence, Order, Output, Report, StopCause};
use crate::process::as_cron::leaves_running;
use crate::process::capture::{Recorder, Stream};
use crate::process::cgroup::Cgroup;
use crate::process::evidence::Signs;
use crate::process::ladder::{Climb, Ladder, collect};
use crate::process::launch::Launched;
use crate::process::meter::Meter;
use crate::process::reap::Death;
use crate::process::step::Step;
use crate::process::trouble::Trouble;
use crate::schedule::UnixMs;

/// How long output is waited for after the first process is gone, milliseconds: long enough for a
/// filter at the end of a pipe, short enough for a daemon that keeps the pipe for ever.
const DRAIN_MS: i64 = 500;
/// Reads of one stream before something else gets its turn.
pub(in crate::process) const READS_AT_ONCE: u32 = 16;

/// The source of a stream of the job and its name.
pub(in crate::process) struct Pipe {
    pub fd: Option<OwnedFd>,
    stream: Stream,
}

impl Pipe {
    fn pair(out: OwnedFd, err: Option<OwnedFd>) -> [Pipe; 2] {
        let ends = [(Some(out), Stream::Out), (err, Stream::Err)];
        ends.map(|(fd, stream)| Pipe { fd, stream })
    }
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
    /// What the stage before the job says, where there is one.
    pub trouble: Trouble,
    /// What is carried; its input is with `feed`.
    pub(in crate::process) order: Order,
    worker: i32,
    pub(in crate::process) meter: Meter,
    pub(in crate::process) started_at: UnixMs,
    pub(in crate::process) started_boot: i64,
    heard_boot: i64,
    pub(in crate::process) recorder: Recorder,
    pub(in crate::process) ended: Option<(Exit, Now)>,
    pub(in crate::process) cpu_ms: i64,
    pub(in crate::process) max_rss: i64,
    pub(in crate::process) stop: Option<StopCause>,
    /// Which limit was passed, in words.
    pub(in crate::process) passed: Option<String>,
    ladder: Option<Ladder>,
    pub(in crate::process) left_over: usize,
    /// Whether what runs now is the line that verifies the work.
    pub(in crate::process) verifying: bool,
    /// Whether it was ended before the stage was through.
    pub(in crate::process) unprepared: bool,
}

/// How far an attempt is.
pub(in crate::process) enum Progress {
    /// Still under way; look again at this instant of the boot clock, or when something happens.
    Under(Option<i64>),
    /// Over. What is left of it in spite of everything is said in the report, and `clean` is false.
    Over { report: Report, clean: bool },
}

impl Run {
    /// Takes charge of a job that was just started. `grouped` says whether a control group keeps
    /// its limit of memory.
    pub fn of(
        mut order: Order,
        job: Launched,
        recorder: Recorder,
        (worker, grouped): (i32, bool),
        now: Now,
    ) -> Run {
        let stdin = order.stdin.take();
        let mut run = Run {
            fence: order.fence,
            pid: job.pid,
            pidfd: None,
            pipes: Pipe::pair(job.out, job.err),
            feed: job.feed.map(|fd| Feed {
                fd,
                bytes: stdin.unwrap_or_default().0,
                sent: 0,
            }),
            trouble: Trouble::from(job.trouble),
            worker,
            meter: Meter::of(&order.limits, grouped, now.boot),
            order,
            started_at: now.wall,
            started_boot: now.boot,
            heard_boot: now.boot,
            recorder,
            ended: None,
            cpu_ms: 0,
            max_rss: 0,
            stop: None,
            passed: None,
            ladder: None,
            left_over: 0,
            verifying: false,
            unprepared: false,
        };
        run.watch();
        run.feed_on();
        run
    }

    fn watch(&mut self) {
        let pidfd = Pid::from_raw(self.pid).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
        // Without it (no file descriptor to be had) SIGCHLD wakes the worker all the same.
        self.pidfd = pidfd.and_then(Result::ok);
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

    /// The order for the line that verifies the work, where there is one and the job has ended so
    /// that it is to be run.
    pub fn to_verify(&self, report: &Report) -> Option<Order> {
        let line = self.order.verify.clone().filter(|_| !self.verifying)?;
        let done = report.exit == Exit::Code(0) && report.stop.is_none();
        let mut order = self.order.clone();
        order.env.retain(|(name, _)| name != "CRAKE_EXIT_CODE");
        order.env.push(("CRAKE_EXIT_CODE".to_owned(), "0".into()));
        order.command = Command::Line(line);
        order.stdin_file = None;
        done.then_some(order)
    }

    /// Goes on with the process that verifies the work; the same limits hold.
    pub fn verify(&mut self, job: Launched, now: Now) {
        self.pid = job.pid;
        self.pipes = Pipe::pair(job.out, job.err);
        self.trouble = Trouble::from(job.trouble);
        self.heard_boot = now.boot;
        self.ended = None;
        self.ladder = None;
        self.verifying = true;
        self.watch();
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
                self.trouble.hear();
                self.unprepared = self.trouble.is_open();
                let why = cause.as_str();
                self.ladder = Some(Ladder::ask(self.worker, self.pid, now, grace_ms, why));
            }
        }
    }

    /// What was done to end it since the last call.
    pub fn take_steps(&mut self) -> Vec<Step> {
        self.ladder
            .as_mut()
            .map(Ladder::take_steps)
            .unwrap_or_default()
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
    pub fn advance(&mut self, cgroup: &mut Cgroup, now: Now) -> Progress {
        let mut dead = Vec::new();
        let mut empty = collect(&mut |death| dead.push(death)) && cgroup.is_empty();
        self.bury(dead, now);
        if self.ended.is_none() && self.ladder.is_none() {
            self.keep_limits(cgroup, now);
        }
        if let (Some((_, at)), None, false) = (self.ended, &self.ladder, empty) {
            let until = at.boot + DRAIN_MS;
            let open = self.pipes.iter().any(|p| p.fd.is_some());
            if open && now.boot < until {
                return Progress::Under(Some(until));
            }
            if leaves_running(&self.order) {
                return Progress::Over {
                    report: self.conclude(Vec::new(), cgroup, now),
                    clean: false,
                };
            }
            self.left_over = crate::process::tree::children(self.worker).len();
            self.ladder = Some(Ladder::kill(now));
        }
        let mut survivors = Vec::new();
        if empty {
            if let Some(ladder) = &mut self.ladder {
                ladder.gone(now);
            }
        } else if let Some(ladder) = &mut self.ladder {
            let mut dead = Vec::new();
            let climb = ladder.climb(self.worker, cgroup, now, |death| dead.push(death));
            self.bury(dead, now);
            match climb {
                Climb::Again(at) => return Progress::Under(Some(at)),
                Climb::Empty => empty = true,
                Climb::GaveUp(named) => survivors = named,
            }
        } else {
            return Progress::Under(self.next_limit());
        }
        Progress::Over {
            report: self.conclude(survivors, cgroup, now),
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
        let limit = self.order.timeout_ms;
        limit.map(|ms| self.started_boot.saturating_add(ms))
    }

    fn silence_limit(&self) -> Option<i64> {
        let limit = self.order.silence_ms;
        limit.map(|ms| self.heard_boot.saturating_add(ms))
    }

    fn next_limit(&self) -> Option<i64> {
        self.time_limit()
            .into_iter()
            .chain(self.silence_limit())
            .chain(self.meter.due())
            .min()
    }

    fn keep_limits(&mut self, cgroup: &Cgroup, now: Now) {
        let passed = |limit: Option<i64>| limit.is_some_and(|at| at <= now.boot);
        let grace = self.order.kill_grace_ms;
        if passed(self.time_limit()) {
            self.stop(StopCause::Timeout, grace, now);
        } else if passed(self.silence_limit()) {
            self.stop(StopCause::Silence, grace, now);
        } else if let Some((cause, words)) =
            self.meter.look(self.worker, self.cpu_ms, cgroup, now.boot)
        {
            self.passed = Some(words);
            self.stop(cause, grace, now);
        }
    }

    /// Ends the recording.
    pub fn close(self) -> Output {
        self.recorder.finish()
    }
}

/// Reads from a stream of the job; says whether anything came.
pub(in crate::process) fn read_some(pipe: &mut Pipe, recorder: &mut Recorder, now: Now) -> bool {
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
