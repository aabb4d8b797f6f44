//! The stage itself: `crake __exec PAPERS TROUBLE`.
//!
//! The order of the steps is that of the rights they need: first what only root may do, then the
//! change of user, then what must be done with the user's rights alone.

use std::ffi::OsString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;

use nix::libc;
use nix::unistd::User;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};

use crate::model::{IoClass, IoNice, Raw};
use crate::process::as_cron::elsewhere;
use crate::process::form::{Failure, explain, fault_of_directory, forms};
use crate::process::inherit::{close_files_but, default_signals};
use crate::process::launch::{PAUSE, TRIES, is_passing};
use crate::process::stage::{Backstops, Prepared};
use crate::process::tree::tasks_of;
use crate::process::user::{become_user, look_up};

/// What `crake __exec PAPERS TROUBLE` does: prepares this process as the papers say and executes the
/// job in it. Returns only where that failed; then the reason was written to the pipe.
pub fn stage_main(arguments: &[OsString]) -> i32 {
    let Some((papers, trouble)) = take_files(arguments) else {
        // Nobody but a worker can start this so that it works.
        return 125;
    };
    let failure = match Prepared::read(papers) {
        Ok(prepared) => match prepare(prepared, &trouble) {
            Err(failure) => failure,
            Ok(never) => match never {},
        },
        Err(error) => Failure::new("the stage before the job", &error),
    };
    // The worker may be gone; then nobody is left to be told.
    if let Ok(words) = serde_json::to_vec(&failure) {
        let _ = rustix::io::write(&trouble, &words);
    }
    if failure.errno == Errno::NOENT.raw_os_error() {
        127
    } else {
        126
    }
}

#[expect(
    unsafe_code,
    reason = "the worker passes its two files by number, the one way posix_spawn leaves"
)]
fn take_files(arguments: &[OsString]) -> Option<(OwnedFd, OwnedFd)> {
    let number = |index: usize| arguments.get(index)?.to_str()?.parse::<i32>().ok();
    let (papers, trouble) = (number(0)?, number(1)?);
    if papers <= 2 || trouble <= 2 || papers == trouble {
        return None;
    }
    for passed in [papers, trouble] {
        // SAFETY: a number that is no open file is answered with an error.
        if unsafe { libc::fcntl(passed, libc::F_GETFD) } < 0 {
            return None;
        }
    }
    // SAFETY: both are open, differ, and nothing else in this process owns a file yet.
    Some(unsafe { (OwnedFd::from_raw_fd(papers), OwnedFd::from_raw_fd(trouble)) })
}

enum Never {}

fn prepare(prepared: Prepared, trouble: &OwnedFd) -> Result<Never, Failure> {
    let Prepared {
        mut order,
        marks,
        backstops,
    } = prepared;
    default_signals();
    if order.cron.is_some() {
        // This process leads no group yet, so there is nothing that could refuse it.
        rustix::process::setsid().map_err(|e| Failure::new("setsid", &e.into()))?;
    }
    let limits = &order.limits;
    let user = match &limits.user {
        Some(name) => Some(look_up(name, limits)?),
        None => None,
    };
    limit(&backstops, user.as_ref())?;
    if let Some(nice) = limits.nice {
        setpriority_process(None, nice).map_err(|e| Failure::new("nice", &e.into()))?;
    }
    if let Some(ionice) = limits.ionice {
        set_io_priority(ionice).map_err(|e| Failure::new("ionice", &e))?;
    }
    rustix::process::umask(Mode::from_raw_mode(order.umask & 0o777));
    close_files_but(trouble).map_err(|e| Failure::new("the pipe to the worker", &e))?;
    if let Some(user) = &user {
        become_user(user)?;
        fill_in(&mut order.env, &order.login, user);
        let home = || user.dir.to_string_lossy().into_owned();
        order.cwd.get_or_insert_with(home);
    }
    let order = elsewhere(&order).unwrap_or(order);
    if let Some(cwd) = &order.cwd {
        std::env::set_current_dir(cwd).map_err(|error| {
            let fault = fault_of_directory(cwd.as_ref()).unwrap_or(error);
            Failure::new(&format!("working directory {cwd}"), &fault)
        })?;
    }
    execute(&order, &marks)
}

fn execute(order: &crate::model::Order, marks: &[(String, String)]) -> Result<Never, Failure> {
    let marks: Vec<(&str, String)> = marks
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    let mut last = Failure {
        errno: Errno::INVAL.raw_os_error(),
        reason: "there is nothing to execute".to_owned(),
    };
    for form in forms(order)? {
        let mut process = form.process(order, &marks);
        for _ in 0..TRIES {
            let error = process.exec();
            last = explain(order, &form.program, &error);
            if !is_passing(&error) {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        // A script without a first line that names its interpreter: shells run it themselves.
        if last.errno != Errno::NOEXEC.raw_os_error() {
            break;
        }
    }
    Err(last)
}

/// Adds what the user's entry says for the variables asked for.
fn fill_in(env: &mut Vec<(String, Raw)>, login: &[String], user: &User) {
    for name in login {
        let value = match name.as_str() {
            "HOME" => user.dir.to_string_lossy().into_owned(),
            "LOGNAME" | "USER" => user.name.clone(),
            "SHELL" => user.shell.to_string_lossy().into_owned(),
            _ => continue,
        };
        env.push((name.clone(), value.into()));
    }
}

fn limit(backstops: &Backstops, user: Option<&User>) -> Result<(), Failure> {
    let set = |what: &str, resource: Resource, soft: u64, hard: u64| {
        let old = getrlimit(resource);
        // Raising a limit somebody set above us is not ours to do.
        let within = |new: u64, old: Option<u64>| Some(old.map_or(new, |old| new.min(old)));
        let new = Rlimit {
            current: within(soft, old.maximum),
            maximum: within(hard, old.maximum),
        };
        setrlimit(resource, new).map_err(|e| Failure::new(what, &e.into()))
    };
    if let Some(bytes) = backstops.data {
        set("limit of memory", Resource::Data, bytes, bytes)?;
    }
    if let Some(seconds) = backstops.cpu_s {
        // SIGXCPU first; SIGKILL for whoever handles that.
        set("limit of CPU time", Resource::Cpu, seconds, seconds + 5)?;
    }
    if let Some(tasks) = backstops.tasks {
        // The kernel counts everything the user has, so what is there already is added.
        let uid = user.map_or_else(|| rustix::process::getuid().as_raw(), |u| u.uid.as_raw());
        let most = tasks_of(uid).saturating_add(u64::from(tasks));
        set("limit of processes", Resource::Nproc, most, most)?;
    }
    Ok(())
}

/// ioprio_set(2): the class in the upper bits, the level in the lower.
#[expect(unsafe_code, reason = "no libc and no crate wraps this call")]
fn set_io_priority(ionice: IoNice) -> io::Result<()> {
    const THIS_PROCESS: libc::c_long = 1;
    let class: libc::c_long = match ionice.class {
        IoClass::Realtime => 1,
        IoClass::BestEffort => 2,
        IoClass::Idle => 3,
    };
    let level = match ionice.class {
        IoClass::Idle => 0,
        _ => libc::c_long::from(ionice.level.unwrap_or(4)),
    };
    // SAFETY: the call takes three numbers and no pointer.
    let done = unsafe {
        libc::syscall(
            libc::SYS_ioprio_set,
            THIS_PROCESS,
            0 as libc::c_long,
            class << 13 | level,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
