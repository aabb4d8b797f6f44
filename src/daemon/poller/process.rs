//! `crake __poller`: the process. It keeps nothing, so it may be killed at any moment; it ends by
//! itself as soon as the core is gone.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getpid, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit, setsid,
};

use crate::clock::Clock;
use crate::daemon::poller::desk::{Desk, End};
use crate::process::frame::Conn;
use crate::process::{close_strange_files, default_signals, end_session};

/// What it ends with when too many of its threads hang.
pub(in crate::daemon::poller) const WORN_OUT: i32 = 70;

/// Where the socket is moved, out of the way of 0, 1 and 2.
const HIGH_FD: i32 = 10;

/// Runs a poller, as `crake __poller` does: with one end of a socket pair to the core as standard
/// input. Every other file the process has open is closed, so this is the first thing it may do.
pub fn poller_main(clock: Arc<dyn Clock>) -> ! {
    match set_up().and_then(|conn| Desk::new(conn, clock)) {
        // The desk is there to the end: it owns the socket, and once that is closed the core kills
        // this process.
        Ok(mut desk) => std::process::exit(finish(desk.run())),
        Err(error) => std::process::exit(finish(Err(error))),
    }
}

fn finish(ended: std::io::Result<End>) -> i32 {
    // What commands of an `exec` source started must not outlive the poller.
    end_session(getpid().as_raw_pid());
    match ended {
        Ok(End::Left | End::Alone) => 0,
        Ok(End::WornOut) => WORN_OUT,
        Err(_) => 1,
    }
}

fn set_up() -> std::io::Result<Conn> {
    close_strange_files();
    default_signals();
    // On standard error, which the core reads when this process has ended. What a driver says when
    // it panics may hold values; where it did so is enough.
    std::panic::set_hook(Box::new(|info| {
        if let Some(place) = info.location() {
            eprintln!("it panicked at {place}");
        }
    }));
    let socket = take_socket()?;
    // A session of its own: signals meant for the core's terminal or group are not for this one,
    // and everything that commands start is found by it.
    setsid()?;
    keep_secrets();
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // Someone may have stopped it when the core died; it must go on to see that and end.
    set_parent_process_death_signal(Some(Signal::CONT))?;
    Ok(Conn::over(socket))
}

/// Its memory holds passwords: nobody but root reads it, and it is written nowhere.
fn keep_secrets() {
    // When memory runs out a poller goes before everything else of ours: it costs a poll. This is
    // before the next, which takes the file away from other users than root.
    let _ = std::fs::write("/proc/self/oom_score_adj", "300");
    // Neither is refused to anybody.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

fn take_socket() -> std::io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), HIGH_FD)?;
    rustix::io::ioctl_fionbio(socket.as_fd(), true)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(socket)
}
