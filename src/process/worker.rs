//! A worker: a process that carries one attempt at a time and outlives the core.
//!
//! One thread, one loop around `poll`. Whatever it is told and whatever the job does, it ends only
//! when it is told to leave, when it has nothing to do and nobody to do it for, or by SIGKILL.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{getpid, set_child_subreaper, setsid};
use signal_hook::consts;

use crate::clock::{Clock, Now};
use crate::model::{Fence, Report};
use crate::process::begin::begin;
use crate::process::carry::{Progress, Run};
use crate::process::cgroup::Cgroup;
use crate::process::conclude::unverified;
use crate::process::evidence::Watch;
use crate::process::frame::Conn;
use crate::process::identity::{Identity, boot_id};
use crate::process::inherit::{close_strange_files, default_signals};
use crate::process::ledger::{Child, Ledger};
use crate::process::slot::Slot;
use crate::process::step::Step;
use crate::process::timer::BootTimer;

/// How long a worker without a run waits for the next core, milliseconds. The end of a run it has
/// not handed over is in its ledger, where the next core finds it just as well.
const ALONE_MS: i64 = 10_000;
/// Where the files it was started with are moved, out of the way of the job's 0, 1 and 2.
const HIGH_FD: i32 = 10;

/// Signals that end a process by default and that anyone may send by mistake, and those a parent may have set to be ignored, which the job would inherit.
const PASSED_OVER: [i32; 18] = [
    consts::SIGHUP,
    consts::SIGINT,
    consts::SIGQUIT,
    consts::SIGUSR1,
    consts::SIGUSR2,
    consts::SIGALRM,
    consts::SIGTERM,
    consts::SIGTSTP,
    consts::SIGTTIN,
    consts::SIGTTOU,
    consts::SIGCONT,
    consts::SIGURG,
    consts::SIGXCPU,
    consts::SIGXFSZ,
    consts::SIGVTALRM,
    consts::SIGPROF,
    consts::SIGWINCH,
    consts::SIGIO,
];

/// What a worker has in hand.
pub(in crate::process) enum Hand {
    Nothing,
    Attempt(Box<Run>),
    /// Over, its end in the ledger, not yet collected.
    Result {
        fence: Fence,
        report: Report,
    },
}

/// A worker at work.
pub(in crate::process) struct Worker<'a> {
    pub(in crate::process) clock: &'a dyn Clock,
    pub(in crate::process) slot: Slot,
    pub(in crate::process) mark: String,
    pub(in crate::process) ledger: Ledger,
    pub(in crate::process) listener: OwnedFd,
    pub(in crate::process) core: Option<Conn>,
    bell: OwnedFd,
    timer: BootTimer,
    pub(in crate::process) me: Identity,
    pub(in crate::process) boot_id: String,
    pub(in crate::process) cgroup: Cgroup,
    pub(in crate::process) hand: Hand,
    /// Steps of ending runs that nobody was there to hear of.
    pub(in crate::process) untold: Vec<(Fence, Step)>,
    pub(in crate::process) runs: u32,
    /// Something of a run could not be killed, so no other run may be mixed up with it.
    pub(in crate::process) soiled: bool,
    pub(in crate::process) alone_since: i64,
    pub(in crate::process) retired: bool,
    pub(in crate::process) watch: Watch,
    // Held open, and with it the lock, for as long as the worker lives.
    _lock: OwnedFd,
}

/// Runs a worker in the slot directory, as `crake __worker DIR` does: with the slot's locked `lock`
/// file as standard input and one end of a socket pair to the core as standard output. Returns the
/// exit code of the process. Every other file the process has open is closed, so this is the first
/// thing it may do.
pub fn worker_main(slot_dir: &Path, clock: &dyn Clock) -> i32 {
    let served = Worker::set_up(slot_dir, clock).and_then(|mut worker| {
        // Up to here a fault can be told; from here on the worker may outlive whoever reads that.
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        rustix::stdio::dup2_stderr(&null)?;
        drop(null);
        while worker.turn()? {}
        Ok(())
    });
    match served {
        Ok(()) => 0,
        Err(error) => {
            // Standard error may be gone with the core.
            let _ = rustix::io::write(
                rustix::stdio::stderr(),
                format!("crake worker in {}: {error}\n", slot_dir.display()).as_bytes(),
            );
            1
        }
    }
}

impl<'a> Worker<'a> {
    fn set_up(slot_dir: &Path, clock: &'a dyn Clock) -> io::Result<Worker<'a>> {
        let (lock, core) = take_files()?;
        default_signals();
        // Signals meant for the core's terminal or group are not for us. A handler rather than
        // `ignore`, because an exec undoes it and the job gets the default.
        let heard = Arc::new(AtomicBool::new(false));
        for signal in PASSED_OVER {
            signal_hook::flag::register(signal, Arc::clone(&heard))?;
        }
        let (bell, ringer) = rustix::pipe::pipe_with(
            rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK,
        )?;
        signal_hook::low_level::pipe::register(consts::SIGCHLD, ringer)?;
        setsid()?;
        set_child_subreaper(Some(getpid()))?;
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        let slot = Slot::open(slot_dir)?;
        if !slot.is_locked_by(&lock)? {
            return Err(io::Error::other(
                "this is started by the daemon, with the slot's lock",
            ));
        }
        rustix::process::chdir("/")?;
        let ledger = Ledger::over(slot.file("ledger")?)?;
        let pid = getpid().as_raw_pid();
        let me = Identity::of(pid).ok_or(io::ErrorKind::NotFound)?;
        ledger.write_worker(me)?;
        Ok(Worker {
            clock,
            mark: slot.mark()?,
            listener: slot.listen()?,
            watch: Watch::over(pid, slot.file("evidence").ok()),
            slot,
            ledger,
            core: Some(Conn::over(core)),
            bell,
            timer: BootTimer::new()?,
            me,
            boot_id: boot_id()?,
            cgroup: Cgroup::of(me),
            hand: Hand::Nothing,
            untold: Vec::new(),
            runs: 0,
            soiled: false,
            alone_since: clock.now().boot,
            retired: false,
            _lock: lock,
        })
    }

    // One round: what is due, then wait for what comes. Says whether to go on.
    fn turn(&mut self) -> io::Result<bool> {
        let now = self.clock.now();
        let due = self.advance(now);
        let due = self.watch(now).into_iter().chain(due).min();
        let idle = matches!(self.hand, Hand::Nothing);
        let alone_until = self.alone_since.saturating_add(ALONE_MS);
        let alone = self.core.is_none() && !matches!(self.hand, Hand::Attempt(_));
        if idle && self.retired || alone && now.boot >= alone_until {
            // An order may have come in since; a core whose order is cut off by our end finds in
            // the ledger that it was never taken.
            return Ok(false);
        }
        let due = if alone { Some(alone_until) } else { due };
        self.timer.set(due, now.boot)?;
        self.wait()?;
        Ok(true)
    }

    fn wait(&mut self) -> io::Result<()> {
        let mut set = vec![
            PollFd::new(&self.listener, PollFlags::IN),
            PollFd::new(&self.bell, PollFlags::IN),
            PollFd::new(&self.timer, PollFlags::IN),
        ];
        if let Some(core) = &self.core {
            let out = if core.wants_out() {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            set.push(PollFd::new(core, PollFlags::IN | out));
        }
        if let Hand::Attempt(run) = &self.hand {
            let reads = run
                .pipes
                .iter()
                .filter_map(|p| p.fd.as_ref())
                .chain(&run.trouble.fd)
                .chain(&run.pidfd);
            set.extend(reads.map(|fd| PollFd::new(fd, PollFlags::IN)));
            let feed = run
                .feed
                .as_ref()
                .map(|f| PollFd::new(&f.fd, PollFlags::OUT));
            set.extend(feed);
        }
        match poll(&mut set, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let ready: Vec<bool> = set.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(set);
        if ready[1] {
            let mut bytes = [0; 256];
            while rustix::io::read(&self.bell, &mut bytes).is_ok_and(|count| count == 256) {}
        }
        if ready[2] {
            self.timer.rang();
        }
        if let Hand::Attempt(run) = &mut self.hand {
            run.drain(self.clock.now());
            run.trouble.hear();
            run.feed_on();
        }
        if self.core.is_some() && ready.get(3) == Some(&true) {
            self.hear_core();
        }
        if ready[0] {
            self.greet();
        }
        Ok(())
    }

    // Moves the attempt on; gives the instant (boot clock) at which to look again.
    fn advance(&mut self, now: Now) -> Option<i64> {
        let Hand::Attempt(run) = &mut self.hand else {
            return None;
        };
        let fence = run.fence;
        let progress = run.advance(&mut self.cgroup, now);
        let steps = run.take_steps();
        let (mut report, clean) = match progress {
            Progress::Under(due) => {
                self.tell_steps(fence, steps);
                return due;
            }
            Progress::Over { report, clean } => (report, clean),
        };
        if let Some(order) = run.to_verify(&report).filter(|_| clean) {
            let marks = marks(fence, &self.mark);
            match begin(&mut self.cgroup, &order, &marks) {
                Ok((job, _)) => {
                    if let Some(process) = Identity::of(job.pid) {
                        let _ = self.ledger.write_child(Child { fence, process });
                    }
                    run.verify(job, now);
                    return Some(now.boot);
                }
                Err(failure) => unverified(&mut report, failure),
            }
        }
        self.tell_steps(fence, steps);
        self.soiled |= !clean;
        if let Hand::Attempt(run) = std::mem::replace(&mut self.hand, Hand::Nothing) {
            report.output = run.close();
            self.cgroup.reset();
            self.settle(fence, report);
        }
        None
    }
}

/// The variables by which the processes of a run are known.
pub(in crate::process) fn marks(fence: Fence, slot: &str) -> [(&'static str, String); 2] {
    [
        ("CRAKE_FENCE", fence.to_string()),
        ("CRAKE_SLOT", slot.to_owned()),
    ]
}

// Moves what was passed as standard input and output to where no job inherits it.
fn take_files() -> io::Result<(OwnedFd, OwnedFd)> {
    close_strange_files();
    let lock = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), HIGH_FD)?;
    let core = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), HIGH_FD)?;
    rustix::io::ioctl_fionbio(core.as_fd(), true)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok((lock, core))
}
