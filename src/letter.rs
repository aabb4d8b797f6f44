//! The mail a cron sends of what a job wrote: to whom, and its text to the byte.
//!
//! Debian's is measured (3.0pl1-162, `tests/it/cron_beside.rs`), cronie's read in its source
//! (`do_command.c` and `popen.c` of 1.7) and measured in part.

use serde::{Deserialize, Serialize};

use crate::model::{Command, Engine, Raw, Spec};

/// The mail program of the host, where the daemon's environment names no other in `CRAKE_SENDMAIL`.
pub const SENDMAIL: &str = "/usr/sbin/sendmail";

/// What becomes of the output of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// No cron's rules hold: nothing is mailed.
    Native,
    /// `MAILTO` is empty: nothing is mailed.
    Nobody,
    /// `MAILTO` has characters its cron does not pass on: nothing is mailed.
    Unsafe(String),
    /// It is mailed.
    To {
        /// To whom, as it stands in the letter; several are separated by commas.
        to: String,
        /// Only where the job failed (`-n` of cronie).
        failed_only: bool,
    },
}

/// The rule for a job of this user.
pub fn rule(spec: &Spec, user: &str) -> Rule {
    let Engine::Cron(dialect) = &spec.engine else {
        return Rule::Native;
    };
    let to = match setting(&spec.env, "MAILTO") {
        None => user.to_owned(),
        Some(value) if dialect == "cronie" => expanded(&value.lossy(), &spec.env, user),
        Some(value) => value.lossy(),
    };
    let imported = spec.imported.as_ref();
    match to.as_str() {
        "" => Rule::Nobody,
        text if is_safe(text) => Rule::To {
            to,
            failed_only: imported.is_some_and(|imported| imported.mail_on_failure),
        },
        _ => Rule::Unsafe(to),
    }
}

/// Who gets the mail of a job run by this user, in words.
pub fn in_words(spec: &Spec, user: &str) -> Option<String> {
    match rule(spec, user) {
        Rule::Native => None,
        Rule::Nobody => Some("none: MAILTO is empty".to_owned()),
        Rule::Unsafe(to) => Some(format!("none: no mail goes to \"{to}\"")),
        Rule::To { to, failed_only } => {
            let when = if failed_only { ", where it failed" } else { "" };
            Some(format!("what it writes goes to {to}{when}"))
        }
    }
}

/// A letter, but for what only its sender can know: the host and the user's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Whose letter: `debian` or `cronie`.
    pub dialect: String,
    /// To whom.
    pub to: String,
    /// What the table sets.
    pub table: Vec<(String, Raw)>,
    /// The command, as the shell got it.
    pub command: Raw,
    /// Whether the job failed.
    pub failed: bool,
    /// The language of the daemon.
    pub lang: Option<String>,
    /// The character set of that.
    pub charset: Option<String>,
}

/// The user a job runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Name.
    pub name: String,
    /// Home directory, by the list of users.
    pub home: String,
}

impl Letter {
    /// The letter for what a job wrote.
    pub fn of(spec: &Spec, to: String, failed: bool, lang: Option<&str>) -> Letter {
        Letter {
            dialect: match &spec.engine {
                Engine::Cron(dialect) => dialect.clone(),
                Engine::Native => String::new(),
            },
            to,
            table: spec.env.clone(),
            command: match &spec.command {
                Command::Line(line) => line.clone(),
                argv @ Command::Argv(_) => argv.display().into(),
            },
            failed,
            lang: lang.map(str::to_owned),
            charset: lang.and_then(charset_of),
        }
    }

    fn is_cronie(&self) -> bool {
        self.dialect == "cronie"
    }

    /// The arguments of the mail program.
    pub fn arguments(&self, user: &Login) -> Vec<String> {
        let words: Vec<&str> = match self.is_cronie() {
            true => vec!["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f"],
            false => vec!["-FCronDaemon", "-i", "-B8BITMIME", "-oem"],
        };
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words.push(match self.is_cronie() {
            true => self.sender(user),
            false => self.to.clone(),
        });
        words
    }

    /// Who it is from, where that is somebody its cron takes.
    fn own_sender(&self) -> Option<String> {
        let from = setting(&self.table, "MAILFROM")?.lossy();
        (!from.is_empty() && is_safe(&from)).then_some(from)
    }

    fn sender(&self, user: &Login) -> String {
        self.own_sender().unwrap_or_else(|| user.name.clone())
    }

    /// The environment its cron names in the letter, in its order.
    pub fn environment(&self, user: &Login) -> Vec<(String, Raw)> {
        let mut env: Vec<(String, Raw)> = Vec::new();
        if let (true, Some(lang)) = (self.is_cronie(), &self.lang) {
            put(&mut env, "LANG", lang.as_str().into());
        }
        for (name, value) in &self.table {
            put(&mut env, name, value.clone());
        }
        let path = match self.is_cronie() {
            true => "/usr/bin:/bin:/usr/sbin:/sbin",
            false => "/usr/bin:/bin",
        };
        let home = user.home.as_str();
        for (name, value) in [("SHELL", "/bin/sh"), ("HOME", home), ("PATH", path)] {
            if setting(&env, name).is_none() {
                put(&mut env, name, value.into());
            }
        }
        put(&mut env, "LOGNAME", user.name.as_str().into());
        if self.is_cronie() {
            put(&mut env, "USER", user.name.as_str().into());
        }
        env
    }

    /// Everything before the output: the headers and an empty line.
    pub fn head(&self, user: &Login, host: &str) -> Vec<u8> {
        let host = host.split('.').next().unwrap_or_default();
        let from = match (self.is_cronie(), self.own_sender()) {
            (true, _) => format!("\"(Cron Daemon)\" <{}>", self.sender(user)),
            (false, Some(from)) => from,
            (false, None) => "root (Cron Daemon)".to_owned(),
        };
        let mut head = Vec::new();
        let mut line = |name: &str, value: &[u8]| {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            // A line feed would begin another header.
            head.extend(value.iter().map(|b| if *b == b'\n' { b' ' } else { *b }));
            head.push(b'\n');
        };
        line("From", from.as_bytes());
        line("To", self.to.as_bytes());
        let mut subject = format!("Cron <{}@{host}> ", user.name).into_bytes();
        subject.extend_from_slice(&self.command.0);
        if self.failed && !self.is_cronie() {
            subject.extend_from_slice(b" (failed)");
        }
        line("Subject", &subject);
        line("MIME-Version", b"1.0");
        match setting(&self.table, "CONTENT_TYPE") {
            Some(value) => line("Content-Type", &value.0),
            None => {
                let plain = if self.is_cronie() {
                    "ANSI_X3.4-1968"
                } else {
                    "US-ASCII"
                };
                let charset = self.charset.as_deref().unwrap_or(plain);
                line(
                    "Content-Type",
                    format!("text/plain; charset={charset}").as_bytes(),
                );
            }
        }
        match setting(&self.table, "CONTENT_TRANSFER_ENCODING") {
            Some(value) => line("Content-Transfer-Encoding", &value.0),
            None if self.is_cronie() => {}
            None => line("Content-Transfer-Encoding", b"8bit"),
        }
        if self.is_cronie() {
            line("Auto-Submitted", b"auto-generated");
            line("Precedence", b"bulk");
        }
        for (name, value) in self.environment(user) {
            let mut text = format!("<{name}=").into_bytes();
            text.extend_from_slice(&value.0);
            text.push(b'>');
            line("X-Cron-Env", &text);
        }
        head.push(b'\n');
        head
    }

    /// What its cron writes in the place of a job whose shell cannot be executed.
    pub fn without_shell(&self, shell: &str, why: &str) -> String {
        match self.is_cronie() {
            true => format!("execl: couldn't exec `{shell}'\nexecl: {why}\n"),
            false => format!("{shell}: execle: {why}\n"),
        }
    }
}

fn setting<'a>(env: &'a [(String, Raw)], name: &str) -> Option<&'a Raw> {
    let found = env.iter().rev().find(|(known, _)| known == name);
    found.map(|(_, value)| value)
}

/// A variable that is there keeps its place.
fn put(env: &mut Vec<(String, Raw)>, name: &str, value: Raw) {
    match env.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => *known = value,
        None => env.push((name.to_owned(), value)),
    }
}

/// Whether both crons pass an address on: ASCII letters and digits, and after the first character
/// `@ ! : % - . , _ +` as well.
fn is_safe(text: &str) -> bool {
    let mark =
        |(at, c): (usize, char)| c.is_ascii_alphanumeric() || at > 0 && "@!:%-.,_+".contains(c);
    text.chars().enumerate().all(mark)
}

/// cronie puts the values of variables in the place of `$NAME` and `${NAME}`; those that are not set
/// are nothing.
fn expanded(text: &str, env: &[(String, Raw)], user: &str) -> String {
    let value = |name: &str| match name {
        "LOGNAME" | "USER" => user.to_owned(),
        _ => setting(env, name).map(Raw::lossy).unwrap_or_default(),
    };
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        done.push_str(before);
        let braced = after.strip_prefix('{').and_then(|a| a.split_once('}'));
        let (name, left) = braced.unwrap_or_else(|| {
            let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            after.split_at(after.find(word).unwrap_or(after.len()))
        });
        if name.is_empty() {
            done.push('$');
        } else {
            done.push_str(&value(name));
        }
        rest = left;
    }
    done + rest
}

/// The character set of a locale by its name; none for the C locale.
fn charset_of(locale: &str) -> Option<String> {
    let (_, set) = locale.split_once('.')?;
    let set = set.split('@').next().unwrap_or(set);
    match set.to_ascii_lowercase().as_str() {
        "utf8" | "utf-8" => Some("UTF-8".to_owned()),
        _ => Some(set.to_owned()),
    }
}
