//! `crake __mail PROGRAM`: becomes the user a job runs as, and then the mail program.
//!
//! Standard input is a file with the papers, one line of JSON, and after it the body of the letter.
//! Users are looked up here: where that hangs, this process hangs, and is ended by who started it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{MemfdFlags, Mode};
use serde::{Deserialize, Serialize};

use crate::letter::{Letter, Login};
use crate::model::{Limits, Raw};
use crate::process::as_cron::somewhere;
use crate::process::form::Failure;
use crate::process::inherit::{close_strange_files, default_signals};
use crate::process::oom::unshielded;
use crate::process::user::{become_user, look_up};

/// Where a mail program finds others.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What is to be sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mail {
    /// The letter.
    pub letter: Letter,
    /// The user the job names.
    pub user: Option<String>,
    /// The number that user had when the job was defined.
    pub uid: Option<u32>,
    /// The user of this instance.
    pub owner: Login,
}

impl Mail {
    /// Writes it, and the body of the letter, where only the process for it finds it.
    ///
    /// # Errors
    /// No memory or no descriptor left.
    pub fn write(&self, body: &[u8]) -> io::Result<OwnedFd> {
        let mut file = File::from(rustix::fs::memfd_create("mail", MemfdFlags::CLOEXEC)?);
        file.write_all(&serde_json::to_vec(self)?)?;
        file.write_all(b"\n")?;
        file.write_all(body)?;
        file.rewind()?;
        Ok(file.into())
    }
}

/// What the process does; returns only where the mail program could not be executed.
pub fn mail_main(arguments: &[OsString]) -> u8 {
    close_strange_files();
    default_signals();
    let Some(program) = arguments.first() else {
        return 125;
    };
    let failure = match send(Path::new(program)) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    // Whoever started this reads it; where nobody does, the code has to do.
    let _ = writeln!(io::stderr(), "{}", failure.reason);
    125
}

enum Never {}

fn send(program: &Path) -> Result<Never, Failure> {
    let fault = |error: io::Error| Failure::new("the mail", &error);
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map_err(fault)?;
    let at = bytes
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(bytes.len());
    let (papers, body) = bytes.split_at(at);
    let mail: Mail = serde_json::from_slice(papers).map_err(|e| fault(e.into()))?;
    let letter = &mail.letter;
    let (user, found) = match &mail.user {
        None => (mail.owner.clone(), None),
        Some(name) => {
            let limits = Limits {
                uid: mail.uid,
                ..Limits::default()
            };
            let found = look_up(name, &limits)?;
            let home = found.dir.to_string_lossy().into_owned();
            let name = found.name.clone();
            (Login { name, home }, Some(found))
        }
    };
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let mut text = File::from(
        rustix::fs::memfd_create("letter", MemfdFlags::CLOEXEC).map_err(|e| fault(e.into()))?,
    );
    let written = text
        .write_all(&letter.head(&user, &host))
        .and_then(|()| text.write_all(body.get(1..).unwrap_or_default()))
        .and_then(|()| text.rewind());
    written.map_err(fault)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    if let Some(found) = &found {
        become_user(found)?;
    }
    let env = letter.environment(&user);
    let home = env.iter().find(|(name, _)| name == "HOME");
    let home = home.map_or(user.home.clone(), |(_, home)| home.lossy());
    let home = somewhere(&letter.dialect, &home).unwrap_or(home);
    let mut command = Command::new(program);
    command
        .args(letter.arguments(&user))
        .stdin(text)
        .env_clear();
    // Debian's cron hands on its own environment. Ours may hold what is not for the user of a job.
    let few = ["HOME", "LOGNAME", "SHELL"];
    let given = env.iter();
    let given =
        given.filter(|(name, _)| letter.dialect == "cronie" || few.contains(&name.as_str()));
    command.env("PATH", PATH);
    command.envs(given.map(|(name, value): &(String, Raw)| (name, value.to_os())));
    command.current_dir(home);
    let error = unshielded(|| command.exec());
    Err(Failure::new(&program.display().to_string(), &error))
}
