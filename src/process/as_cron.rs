//! The ways of a cron, where they differ from ours: what its login session adds to the environment,
//! where a job starts whose directory is not there, and what may go on when the job has ended.
//!
//! Measured on Debian's cron 3.0pl1-162 beside this program (`tests/it/cron_beside.rs`).

use std::path::Path;
use std::process::{Command, Stdio};

use crate::model::{Order, Raw};
use crate::process::form::fault_of_directory;

/// Where Debian's cron stands itself, and with it a job whose directory is not there.
const SPOOL: &str = "/var/spool/cron";

/// What says of which files the login session of Debian's cron takes variables.
const PAM: &str = "/etc/pam.d/cron";
/// What it says as the package has it, and what holds where the package was removed.
const PAM_FILES: [&str; 2] = ["/etc/environment", "/etc/default/locale"];

/// Adds what the login session of a cron (pam_env) gives to a job and the table does not set: the
/// variables of `/etc/environment`, on Debian also those of `/etc/default/locale`.
pub(in crate::process) fn surround(order: &mut Order) {
    let Some(dialect) = &order.cron else {
        return;
    };
    let files = match dialect.as_str() {
        "debian" => match std::fs::read_to_string(PAM) {
            Ok(text) => files_of_pam(&text),
            Err(_) => PAM_FILES.map(str::to_owned).to_vec(),
        },
        _ => vec![PAM_FILES[0].to_owned()],
    };
    let mut found: Vec<(String, Raw)> = Vec::new();
    for file in files {
        // One that is not there sets nothing.
        let Ok(text) = std::fs::read(&file) else {
            continue;
        };
        for (name, value) in pam_variables(&text) {
            // What a later file says takes the place of what an earlier one said.
            found.retain(|(known, _)| *known != name);
            found.push((name, value));
        }
    }
    for (name, value) in found {
        let by_table = order.env.iter().any(|(known, _)| *known == name);
        if !by_table && !order.login.contains(&name) {
            order.env.push((name, value));
        }
    }
}

/// The files pam_env reads by a service's configuration.
pub fn files_of_pam(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim_start);
    lines
        .filter(|line| !line.starts_with('#') && line.contains("pam_env.so"))
        .map(|line| {
            let named = line
                .split_whitespace()
                .find_map(|w| w.strip_prefix("envfile="));
            named.unwrap_or(PAM_FILES[0]).to_owned()
        })
        .collect()
}

/// The variables a file sets as pam_env(8) reads it: `NAME=VALUE`, with or without `export`, with a
/// comment after `#`, one pair of quotes taken off, nothing expanded. The later of two holds.
pub fn pam_variables(text: &[u8]) -> Vec<(String, Raw)> {
    let mut found: Vec<(String, Raw)> = Vec::new();
    for line in joined(&String::from_utf8_lossy(text)) {
        let line = line.trim_end().trim_start();
        let line = line.split('#').next().unwrap_or_default();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(word) {
            continue;
        }
        found.retain(|(known, _)| known != name);
        found.push((name.to_owned(), unquoted(value).into()));
    }
    found
}

/// The lines of a file, those that end in a backslash together with the next.
fn joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let (part, goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| open) {
            Some(last) => last.push_str(part),
            None => lines.push(part.to_owned()),
        }
        open = goes_on;
    }
    lines
}

/// pam_env takes the first quote, and one at the very end.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix(['"', '\'']) else {
        return value.to_owned();
    };
    inner.strip_suffix(['"', '\'']).unwrap_or(inner).to_owned()
}

/// The order with the directory Debian's cron uses where the job's own cannot be entered: it looks at
/// no error and stays where it is. Nothing where the job's own can be.
pub(in crate::process) fn elsewhere(order: &Order) -> Option<Order> {
    let there = somewhere(order.cron.as_deref()?, order.cwd.as_deref()?)?;
    Some(Order {
        cwd: Some(there),
        ..order.clone()
    })
}

/// The directory a cron uses where `own` cannot be entered; nothing where it can be, or where its
/// cron runs nothing then.
pub(in crate::process) fn somewhere(dialect: &str, own: &str) -> Option<String> {
    if dialect != "debian" {
        return None;
    }
    fault_of_directory(Path::new(own))?;
    let there = if Path::new(SPOOL).is_dir() {
        SPOOL
    } else {
        "/"
    };
    Some(there.to_owned())
}

/// Whether what a job leaves running may go on: a cron waits for the job's first process alone.
pub(in crate::process) fn leaves_running(order: &Order) -> bool {
    order.cron.is_some() && order.verify.is_none()
}

/// Reads on from what a job has left, so that those it left running may write: under a cron they
/// write into a file that is gone, and do not notice.
pub(in crate::process) fn read_on(end: std::os::fd::OwnedFd) {
    // Where no process can be had, whoever writes learns that nobody listens.
    let _ = Command::new("/proc/self/exe")
        .arg("__drain")
        .env_clear()
        .stdin(end)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}

/// What `crake __drain` does: reads its standard input to the end.
pub fn drain_main() -> u8 {
    let stdin = rustix::stdio::stdin();
    let mut bytes = [0; 16 << 10];
    // The pipe was read without waiting; this process has nothing else to do.
    let _ = rustix::io::ioctl_fionbio(stdin, false);
    loop {
        match rustix::io::read(stdin, &mut bytes) {
            Ok(0) => return 0,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return 1,
        }
    }
}
