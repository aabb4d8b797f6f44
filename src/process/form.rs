//! How a command is executed: which file, under which name, with which arguments; and what is wrong
//! where it cannot be.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::model::{Command, Order};
use crate::process::line::plain_words;

/// Where a program is looked for when the job's environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/bin:/bin";

/// A job that could not be executed.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::process) struct Failure {
    /// The operating system's error number.
    pub errno: i32,
    /// What is wrong with what, in words.
    pub reason: String,
}

impl Failure {
    /// What is wrong with `what`.
    pub fn new(what: &str, error: &io::Error) -> Failure {
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
pub(in crate::process) struct Form {
    /// The file.
    pub program: PathBuf,
    /// What it is told its name is.
    pub name: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Whether it misses `PWD`, a variable a shell would have set for the program.
    pub pwd: bool,
}

impl Form {
    /// The process to be started, with the order's environment and `marks`.
    pub fn process(&self, order: &Order, marks: &[(&str, String)]) -> Process {
        let mut process = Process::new(&self.program);
        process.arg0(&self.name).args(&self.args);
        process.env_clear();
        process.envs(order.env.iter().map(|(name, value)| (name, value.to_os())));
        if self.pwd {
            process.env("PWD", order.cwd.as_deref().unwrap_or("/"));
        }
        process.envs(marks.iter().map(|(name, value)| (*name, value.as_str())));
        process
    }
}

/// The ways to execute the command of an order, the best first.
pub(in crate::process) fn forms(order: &Order) -> Result<Vec<Form>, Failure> {
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

/// What is wrong where an exec failed. The error itself does not say whether it speaks of the
/// directory, the program or the interpreter the program names.
pub(in crate::process) fn explain(order: &Order, program: &Path, error: &io::Error) -> Failure {
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

/// What keeps this process from entering a directory.
pub(in crate::process) fn fault_of_directory(path: &Path) -> Option<io::Error> {
    match fs::metadata(path) {
        Err(error) => Some(error),
        Ok(meta) if !meta.is_dir() => Some(Errno::NOTDIR.into()),
        Ok(_) => {
            let entered = rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS);
            entered.err().map(io::Error::from)
        }
    }
}
