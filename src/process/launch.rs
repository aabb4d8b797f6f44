//! Starts the job's first process.
//!
//! Through `posix_spawn`, as std does it where neither `pre_exec` nor another user is asked for.
//! Beside its three standard files the job inherits nothing: everything the worker holds closes on
//! exec, handled signals fall back to their defaults, and the worker itself ignores and blocks none.
//! Where more has to be done before the job may run, [`crate::process::stage`] stands in between.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::{Errno, FdFlags};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::model::Order;
use crate::process::form::{Failure, Form, explain, forms};
use crate::process::oom;
use crate::process::stage::{Backstops, Prepared};

/// How often a start is tried that fails for want of something that comes back by itself.
pub(in crate::process) const TRIES: u32 = 5;
/// The wait between two tries.
pub(in crate::process) const PAUSE: Duration = Duration::from_millis(20);

/// A job that runs.
pub(in crate::process) struct Launched {
    /// Its first process, the leader of a process group of its own.
    pub pid: i32,
    /// What it writes to standard output.
    pub out: OwnedFd,
    /// What it writes to standard error, where that is not the same.
    pub err: Option<OwnedFd>,
    /// Where its standard input is fed, when it has any.
    pub feed: Option<OwnedFd>,
    /// Where the stage before it says why it could not be executed; closed by the exec.
    pub trouble: Option<OwnedFd>,
}

/// Starts the job of `order` with `marks` added to its environment. With `backstops`, or where the
/// order names a user or a priority, what is wrong is told later, through [`Launched::trouble`].
pub(in crate::process) fn launch(
    order: &Order,
    marks: &[(&str, String)],
    backstops: &Backstops,
) -> Result<Launched, Failure> {
    // A cron gives each job a session, which the stage begins.
    if backstops.need_stage(&order.limits) || order.cron.is_some() {
        return start_staged(order, marks, backstops);
    }
    let mut last = Failure {
        errno: Errno::INVAL.raw_os_error(),
        reason: "there is nothing to execute".to_owned(),
    };
    for form in forms(order)? {
        match start(order, &form, marks) {
            Ok(launched) => return Ok(launched),
            Err(failure) => last = failure,
        }
        // A script without a first line that names its interpreter: shells run it themselves.
        if last.errno != Errno::NOEXEC.raw_os_error() {
            break;
        }
    }
    Err(last)
}

fn start(order: &Order, form: &Form, marks: &[(&str, String)]) -> Result<Launched, Failure> {
    let mut process = form.process(order, marks);
    if let Some(cwd) = &order.cwd {
        process.current_dir(cwd);
    }
    let (ends, spawned) = spawn(&mut process, order)?;
    let child = spawned.map_err(|error| explain(order, &form.program, &error))?;
    Ok(ends.launched(&child, None))
}

fn start_staged(
    order: &Order,
    marks: &[(&str, String)],
    backstops: &Backstops,
) -> Result<Launched, Failure> {
    let what = "the stage before the job";
    let fault = |error: io::Error| Failure::new(what, &error);
    let papers = Prepared::new(order, marks, backstops)
        .write()
        .map_err(fault)?;
    let (trouble, its_end) = pipe()?;
    rustix::io::ioctl_fionbio(&trouble, true).map_err(|e| fault(e.into()))?;
    // It is this very program, also after the file was replaced.
    let mut process = Process::new("/proc/self/exe");
    process.arg("__exec");
    for passed in [&papers, &its_end] {
        process.arg(passed.as_raw_fd().to_string());
        // This process has one thread, so nothing else is started before both are closed below.
        rustix::io::fcntl_setfd(passed, FdFlags::empty()).map_err(|e| fault(e.into()))?;
    }
    // The marks lead to the stage as they lead to the job.
    process.env_clear();
    process.envs(marks.iter().map(|(name, value)| (*name, value.as_str())));
    let (ends, spawned) = spawn(&mut process, order)?;
    let child = spawned.map_err(fault)?;
    Ok(ends.launched(&child, Some(trouble)))
}

/// Our ends of the job's standard files.
struct Ends {
    out: OwnedFd,
    err: Option<OwnedFd>,
    feed: Option<OwnedFd>,
}

impl Ends {
    fn launched(self, child: &Child, trouble: Option<OwnedFd>) -> Launched {
        Launched {
            pid: rustix::process::Pid::from_child(child).as_raw_pid(),
            out: self.out,
            err: self.err,
            feed: self.feed,
            trouble,
        }
    }
}

fn spawn(process: &mut Process, order: &Order) -> Result<(Ends, io::Result<Child>), Failure> {
    let (out, out_end) = output_pipe()?;
    let (err, err_end) = match order.cron {
        // A cron gives both to one file, so that what is written first is read first.
        Some(_) => {
            let again = out_end.try_clone();
            (None, again.map_err(|e| Failure::new("pipe", &e))?)
        }
        None => {
            let (err, err_end) = output_pipe()?;
            (Some(err), err_end)
        }
    };
    if order.cron.is_none() {
        process.process_group(0);
    }
    process.stdout(out_end).stderr(err_end);
    let feed = match (&order.stdin_file, &order.stdin) {
        (Some(path), _) => {
            let file = File::open(path).map_err(|e| Failure::new("the input of the run", &e))?;
            process.stdin(file);
            None
        }
        (None, Some(_)) => {
            let (end, feed) = pipe()?;
            rustix::io::ioctl_fionbio(&feed, true).map_err(|e| Failure::new("pipe", &e.into()))?;
            process.stdin(end);
            Some(feed)
        }
        (None, None) => {
            process.stdin(Stdio::null());
            None
        }
    };
    let spawned = oom::unshielded(|| spawn_under(process, order.umask));
    Ok((Ends { out, err, feed }, spawned))
}

fn spawn_under(process: &mut Process, umask: u32) -> io::Result<Child> {
    let before = rustix::process::umask(Mode::from_raw_mode(umask & 0o777));
    let mut tries = 1;
    let spawned = loop {
        match process.spawn() {
            Err(e) if tries < TRIES && is_passing(&e) => {
                tries += 1;
                std::thread::sleep(PAUSE);
            }
            done => break done,
        }
    };
    rustix::process::umask(before);
    spawned
}

/// Whether an error comes of something that comes back by itself: no process or memory to be had,
/// or the program is just being written.
pub(in crate::process) fn is_passing(error: &io::Error) -> bool {
    [Errno::AGAIN, Errno::NOMEM, Errno::TXTBSY]
        .iter()
        .any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

fn output_pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    let (read, write) = pipe()?;
    // Our end alone: the job's end is another open file description and goes on blocking.
    rustix::io::ioctl_fionbio(&read, true).map_err(|e| Failure::new("pipe", &e.into()))?;
    Ok((read, write))
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|e| Failure::new("pipe", &e.into()))
}
