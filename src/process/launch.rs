//! Starts the job's first process.
//!
//! Through `posix_spawn`, as std does it where neither `pre_exec` nor another user is asked for.
//! Beside its three standard files the job inherits nothing: everything the worker holds closes on
//! exec, handled signals fall back to their defaults, the signal mask is emptied by std.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use rustix::fs::{Access, AtFlags, CWD, Mode};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::model::{Command, Order};
use crate::process::line::plain_words;

/// Where a program is looked for when the job's environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/bin:/bin";
/// How often a start is tried that fails for want of something that comes back by itself.
const TRIES: u32 = 5;

/// A job that runs.
pub(in crate::process) struct Launched {
    /// Its first process, the leader of a process group of its own.
    pub pid: i32,
    /// What it writes to standard output.
    pub out: OwnedFd,
    /// What it writes to standard error.
    pub err: OwnedFd,
    /// Where its standard input is fed, when it has any.
    pub feed: Option<OwnedFd>,
}

/// A job that could not be executed.
#[derive(Debug)]
pub(in crate::process) struct Failure {
    /// The operating system's error number.
    pub errno: i32,
    /// What is wrong with what, in words.
    pub reason: String,
}

impl Failure {
    fn new(what: &str, error: &io::Error) -> Failure {
        let errno = error
            .raw_os_error()
            .unwrap_or_else(|| Errno::INVAL.raw_os_error());
        let text = error.to_string();
        let words = text.split(" (os error").next().unwrap_or_default();
        Failure {
            errno,
            reason: format!("{what}: {words}"),
        }
    }
}

/// One way to execute a command.
struct Form {
    program: PathBuf,
    name: OsString,
    args: Vec<OsString>,
    /// A variable a shell would have set for the program.
    pwd: bool,
}

/// Starts the job of `order` with `marks` added to its environment.
pub(in crate::process) fn launch(
    order: &Order,
    marks: &[(&str, String)],
) -> Result<Launched, Failure> {
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

fn forms(order: &Order) -> Result<Vec<Form>, Failure> {
    match &order.command {
        Command::Argv(argv) => {
            let Some((program, args)) = argv.split_first() else {
                return Ok(Vec::new());
            };
            let name = program.to_os();
            Ok(vec![Form {
                program: resolve(order, Path::new(&name))?,
                name,
                args: args.iter().map(|a| a.to_os()).collect(),
                pwd: false,
            }])
        }
        Command::Line(line) => {
            let shell = order.shell.as_deref().unwrap_or("/bin/sh");
            let by_shell = Form {
                program: resolve(order, Path::new(shell))?,
                name: shell.into(),
                args: vec!["-c".into(), line.to_os()],
                pwd: false,
            };
            let direct = if order.shell.is_none() {
                direct(order, &line.0)
            } else {
                None
            };
            Ok(direct.into_iter().chain([by_shell]).collect())
        }
    }
}

fn direct(order: &Order, line: &[u8]) -> Option<Form> {
    // A shell imports functions from such variables, and a function may have any name.
    if order
        .env
        .iter()
        .any(|(name, _)| name.starts_with("BASH_FUNC_"))
    {
        return None;
    }
    let words = plain_words(line)?;
    let (first, args) = words.split_first()?;
    let program = if first.contains('/') {
        PathBuf::from(first)
    } else {
        // Without a PATH the shell has a default of its own, and a relative entry depends on where
        // it stands.
        let path = variable(order, "PATH")?;
        let entries = || path.split(|b| *b == b':');
        if entries().any(|e| !e.starts_with(b"/")) {
            return None;
        }
        let mut candidates =
            entries().map(|e| Path::new(std::ffi::OsStr::from_bytes(e)).join(first));
        candidates.find(|path| is_executable(path))?
    };
    Some(Form {
        program,
        name: (*first).into(),
        args: args.iter().map(|a| (*a).into()).collect(),
        pwd: variable(order, "PWD").is_none(),
    })
}

fn variable<'a>(order: &'a Order, name: &str) -> Option<&'a [u8]> {
    let found = order.env.iter().rev().find(|(n, _)| n == name);
    found.map(|(_, value)| value.0.as_slice())
}

// std leaves posix_spawn for fork when it has to search a PATH other than its own, and tells less.
fn resolve(order: &Order, name: &Path) -> Result<PathBuf, Failure> {
    if name.as_os_str().as_bytes().contains(&b'/') {
        return Ok(name.to_owned());
    }
    let path = variable(order, "PATH").unwrap_or(DEFAULT_PATH.as_bytes());
    let mut seen = None;
    for entry in path.split(|b| *b == b':') {
        let candidate = Path::new(std::ffi::OsStr::from_bytes(entry)).join(name);
        if is_executable(&candidate) {
            return Ok(candidate);
        }
        if seen.is_none() && candidate.is_file() {
            seen = Some(candidate);
        }
    }
    Err(match seen {
        Some(path) => Failure::new(&path.display().to_string(), &Errno::ACCESS.into()),
        None => Failure {
            errno: Errno::NOENT.raw_os_error(),
            reason: format!("{}: not found on PATH", name.display()),
        },
    })
}

/// Whether a path leads to a file that this process may execute.
pub fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

fn start(order: &Order, form: &Form, marks: &[(&str, String)]) -> Result<Launched, Failure> {
    let (out, out_end) = output_pipe()?;
    let (err, err_end) = output_pipe()?;
    let mut process = Process::new(&form.program);
    process.arg0(&form.name).args(&form.args).process_group(0);
    process.stdout(out_end).stderr(err_end);
    process.env_clear();
    process.envs(order.env.iter().map(|(name, value)| (name, value.to_os())));
    if form.pwd {
        process.env("PWD", order.cwd.as_deref().unwrap_or("/"));
    }
    process.envs(marks.iter().map(|(name, value)| (*name, value.as_str())));
    if let Some(cwd) = &order.cwd {
        process.current_dir(cwd);
    }
    let feed = match &order.stdin {
        Some(_) => {
            let (end, feed) = pipe()?;
            rustix::io::ioctl_fionbio(&feed, true).map_err(|e| Failure::new("pipe", &e.into()))?;
            process.stdin(end);
            Some(feed)
        }
        None => {
            process.stdin(Stdio::null());
            None
        }
    };
    let child = spawn_under(&mut process, order.umask)
        .map_err(|error| explain(order, &form.program, &error))?;
    Ok(Launched {
        pid: rustix::process::Pid::from_child(&child).as_raw_pid(),
        out,
        err,
        feed,
    })
}

fn spawn_under(process: &mut Process, umask: u32) -> io::Result<Child> {
    let before = rustix::process::umask(Mode::from_raw_mode(umask & 0o777));
    let mut tries = 1;
    let spawned = loop {
        match process.spawn() {
            // No process or memory to be had, or the program is just being written.
            Err(e) if tries < TRIES && is_passing(&e) => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            done => break done,
        }
    };
    rustix::process::umask(before);
    spawned
}

fn is_passing(error: &io::Error) -> bool {
    [Errno::AGAIN, Errno::NOMEM, Errno::TXTBSY]
        .iter()
        .any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

// The error of a spawn does not say whether it speaks of the directory, the program or the
// interpreter the program names.
fn explain(order: &Order, program: &Path, error: &io::Error) -> Failure {
    if let Some(cwd) = &order.cwd
        && let Some(fault) = fault_of_directory(Path::new(cwd))
    {
        return Failure::new(&format!("working directory {cwd}"), &fault);
    }
    let name = program.display().to_string();
    let missing = error.raw_os_error() == Some(Errno::NOENT.raw_os_error());
    if missing && program.is_absolute() && program.exists() {
        let reason = format!("{name}: the interpreter or loader it names is missing");
        return Failure {
            errno: Errno::NOENT.raw_os_error(),
            reason,
        };
    }
    Failure::new(&name, error)
}

fn fault_of_directory(path: &Path) -> Option<io::Error> {
    match fs::metadata(path) {
        Err(error) => Some(error),
        Ok(meta) if !meta.is_dir() => Some(Errno::NOTDIR.into()),
        Ok(_) => {
            let entered = rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS);
            entered.err().map(io::Error::from)
        }
    }
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
