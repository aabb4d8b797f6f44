//! Running a command with a message: a line for `sh -c`, or a program such as `sendmail`.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::courier::{Message, Undeliverable};
use crate::model::PASSED_ON;

/// The longest a command may take, seconds.
const LIMIT_S: i64 = 60;

/// What is kept of its words, bytes.
const WORDS: u64 = 2_000;

/// Runs a line with the message in its environment, and as JSON on its standard input.
pub fn run(line: &str, message: &Message) -> Result<(), Undeliverable> {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    let first = message.items.first();
    let job = first.and_then(|item| item.job.clone()).unwrap_or_default();
    let run = first.and_then(|item| item.run).map(|run| run.to_string());
    let input = format!("{}\n", message.json());
    set_environment(&mut command);
    // The kernel takes no variable larger than 128 KiB.
    let text: String = message.text().chars().take(16_000).collect();
    command
        .env("CRAKE_ALERT_ID", &message.id)
        .env("CRAKE_ALERT_KIND", message.kind())
        .env("CRAKE_ALERT_JOB", job)
        .env("CRAKE_ALERT_RUN", run.unwrap_or_default())
        .env("CRAKE_ALERT_SUBJECT", message.subject())
        .env("CRAKE_ALERT_TEXT", text)
        .env("CRAKE_ALERT_HOST", &message.host)
        .env("CRAKE_ALERT_RECEIVER", &message.receiver)
        .env("CRAKE_ALERT_COUNT", message.items.len().to_string());
    feed(command, input.into_bytes())
}

/// Gives a command the environment that all of them have.
pub fn set_environment(command: &mut Command) {
    command.env_clear();
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// Runs a command with this input, to its end; kills what it started when it takes too long.
pub fn feed(mut command: Command, input: Vec<u8>) -> Result<(), Undeliverable> {
    let what = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .current_dir("/")
        .process_group(0)
        .spawn()
        .map_err(|e| Undeliverable(format!("{what} cannot be executed: {e}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its input must hold up nobody, and need not read it.
        thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
    }
    let words = child.stderr.take().map(|stderr| {
        let (tell, hear) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let mut words = Vec::new();
            let mut stderr = stderr.take(WORDS);
            let _ = stderr.read_to_end(&mut words);
            let _ = tell.send(words);
        });
        hear
    });
    let in_time = waited(&child);
    if !in_time {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    }
    let status = child.wait()?;
    // What it left behind may hold the pipe open; nobody waits for that.
    let moment = std::time::Duration::from_millis(200);
    let words = words.and_then(|hear| hear.recv_timeout(moment).ok());
    let words = words.unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let words = words.trim().replace('\n', "; ");
    match (in_time, status.success()) {
        (true, true) => Ok(()),
        (true, false) => Err(Undeliverable(
            format!("{status}: {words}")
                .trim_end_matches([':', ' '])
                .to_owned(),
        )),
        (false, _) => Err(Undeliverable(format!("it did not end within {LIMIT_S} s"))),
    }
}

fn waited(child: &Child) -> bool {
    pidfd_open(Pid::from_child(child), PidfdFlags::empty()).is_ok_and(|exit| {
        let limit = Timespec {
            tv_sec: LIMIT_S,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&exit, PollFlags::IN)];
        poll(&mut fds, Some(&limit)).is_ok_and(|n| n > 0)
    })
}
