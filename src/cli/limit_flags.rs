//! The flags that say as whom a job runs, what it may take of the host, and how its work is
//! verified.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::cli::flags::{bytes, limit};
use crate::model::{IoNice, Raw, Spec};

/// A value, or `none`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrNone<T>(Option<T>);

fn or_none<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<OrNone<T>, String> {
    match text {
        "none" => Ok(OrNone(None)),
        text => read(text).map(|value| OrNone(Some(value))),
    }
}

/// A priority of nice(1).
pub fn nice(text: &str) -> Result<i32, String> {
    text.parse()
        .ok()
        .filter(|n| (-20..=19).contains(n))
        .ok_or_else(|| format!("\"{text}\" is no priority: write -20 to 19"))
}

/// Bytes, at least one.
pub fn memory(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("write a number of bytes above zero".to_owned()),
        bytes => Ok(bytes),
    }
}

/// A number of processes, at least one.
pub fn processes(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| format!("\"{text}\" is no number of processes: write 1 or more"))
}

fn nice_or_none(text: &str) -> Result<OrNone<i32>, String> {
    or_none(text, nice)
}

fn io_or_none(text: &str) -> Result<OrNone<IoNice>, String> {
    or_none(text, str::parse)
}

fn memory_or_none(text: &str) -> Result<OrNone<u64>, String> {
    or_none(text, memory)
}

fn processes_or_none(text: &str) -> Result<OrNone<u32>, String> {
    or_none(text, processes)
}

fn time_or_none(text: &str) -> Result<OrNone<i64>, String> {
    limit(text).map(|limit| OrNone(limit.0))
}

/// The flags.
#[derive(clap::Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// User it runs as; only a daemon run by root can run jobs of others
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Scheduling priority, -20 to 19
    #[arg(long, value_name = "N|none", allow_hyphen_values = true, value_parser = nice_or_none)]
    pub nice: Option<OrNone<i32>>,
    /// Input and output priority: idle, best-effort:0..7 or realtime:0..7
    #[arg(long, value_name = "CLASS|none", value_parser = io_or_none)]
    pub ionice: Option<OrNone<IoNice>>,
    /// Memory of all its processes together, such as 512M; it is ended when it uses more
    #[arg(long, value_name = "BYTES|none", value_parser = memory_or_none)]
    pub memory_max: Option<OrNone<u64>>,
    /// CPU time of all its processes together; it is ended when it uses more
    #[arg(long, value_name = "D|none", value_parser = time_or_none)]
    pub cpu_max: Option<OrNone<i64>>,
    /// Processes and threads alive at once
    #[arg(long, value_name = "N|none", value_parser = processes_or_none)]
    pub processes_max: Option<OrNone<u32>>,
    /// A line for `sh -c` run after exit code 0; unless it exits with 0 as well, the run has failed
    #[arg(long, value_name = "LINE|none")]
    pub verify: Option<OsString>,
}

impl LimitFlags {
    /// Writes what was given into a definition and leaves the rest of it.
    pub fn apply(&self, spec: &mut Spec) {
        let limits = &mut spec.limits;
        if let Some(user) = &self.user {
            // An empty name takes the user away: `none` might be somebody's.
            limits.user = Some(user.clone()).filter(|user| !user.is_empty());
            limits.uid = None;
        }
        set(&mut limits.nice, self.nice);
        set(&mut limits.ionice, self.ionice);
        set(&mut limits.memory_max, self.memory_max);
        set(&mut limits.cpu_max_ms, self.cpu_max);
        set(&mut limits.processes_max, self.processes_max);
        if let Some(line) = &self.verify {
            let line = Raw(line.clone().into_vec());
            spec.verify = Some(line).filter(|line| line.0 != b"none" && !line.0.is_empty());
        }
    }
}

fn set<T: Copy>(place: &mut Option<T>, given: Option<OrNone<T>>) {
    if let Some(OrNone(value)) = given {
        *place = value;
    }
}
