//! Who is told of what, by which means, when and how often.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{AlertKind, parse_duration};
use crate::schedule::UnixMs;

/// An address that may be a secret by itself: as it is, or in a file that is read at each sending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The address.
    Url(String),
    /// The file whose first line it is.
    File(PathBuf),
}

impl Place {
    /// What may be shown of it: of an address scheme and host.
    pub fn redacted(&self) -> String {
        match self {
            Place::File(path) => format!("@{}", path.display()),
            Place::Url(url) => redacted_url(url),
        }
    }
}

/// Scheme and host of an address; whoever knows the rest of a webhook may use it.
pub fn redacted_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let more = if path.len() > 1 { "/***" } else { path };
    format!("{scheme}://{host}{more}")
}

/// Where a password or a key is, read at each sending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretFrom {
    /// The first line of a file.
    File(PathBuf),
    /// A variable of the daemon's environment.
    Env(String),
}

impl fmt::Display for SecretFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretFrom::File(path) => write!(f, "file {}", path.display()),
            SecretFrom::Env(name) => write!(f, "variable {name}"),
        }
    }
}

/// How a receiver is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A line for `sh -c`.
    Command {
        /// The line.
        line: String,
    },
    /// Mail, through a server or the host's `sendmail`.
    Mail {
        /// The addresses.
        to: Vec<String>,
        /// The sender, where it is not the user at this host.
        from: Option<String>,
        /// The server; without one, `sendmail`.
        smtp: Option<Place>,
        /// Where the password for the server is.
        secret: Option<SecretFrom>,
    },
    /// A POST of JSON.
    Webhook {
        /// The address.
        url: Place,
        /// Where the key is that the message is signed with.
        secret: Option<SecretFrom>,
    },
    /// A request at the start and at the end of each run, in the form of Healthchecks.
    Ping {
        /// The address; `{job}` in it stands for the job's name.
        url: Place,
    },
}

impl Means {
    /// One word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Means::Command { .. } => "command",
            Means::Mail { .. } => "mail",
            Means::Webhook { .. } => "webhook",
            Means::Ping { .. } => "ping",
        }
    }

    /// Where it leads, with nothing in it that is secret.
    pub fn target(&self) -> String {
        match self {
            Means::Command { line } => line.clone(),
            Means::Mail { to, .. } => to.join(", "),
            Means::Webhook { url, .. } | Means::Ping { url } => url.redacted(),
        }
    }

    /// Where its secret is.
    pub fn secret(&self) -> Option<&SecretFrom> {
        match self {
            Means::Mail { secret, .. } | Means::Webhook { secret, .. } => secret.as_ref(),
            Means::Command { .. } | Means::Ping { .. } => None,
        }
    }
}

/// Hours of the day in which nothing is sent; what is decided then waits for their end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// The first second of the day that is quiet.
    pub from_s: u32,
    /// The first that is not; before `from_s` where the hours go over midnight.
    pub until_s: u32,
    /// The zone of the clock; the daemon's where none is named.
    pub zone: Option<String>,
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |s: u32| match s % 60 {
            0 => format!("{:02}:{:02}", s / 3600, s / 60 % 60),
            second => format!("{:02}:{:02}:{second:02}", s / 3600, s / 60 % 60),
        };
        write!(f, "{}-{}", time(self.from_s), time(self.until_s))?;
        match &self.zone {
            Some(zone) => write!(f, " {zone}"),
            None => Ok(()),
        }
    }
}

/// At most so many messages in a span; more are held and then sent together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub messages: u32,
    /// In how long, milliseconds.
    pub span_ms: i64,
}

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let wrong = || format!("\"{text}\" is no rate: write 5/h, 20/d or 3/10m");
        let (messages, span) = text.split_once('/').ok_or_else(wrong)?;
        let messages: u32 = messages.trim().parse().map_err(|_| wrong())?;
        let span = match span.trim() {
            "" => return Err(wrong()),
            span if span.starts_with(|c: char| c.is_ascii_digit()) => span.to_owned(),
            unit => format!("1{unit}"),
        };
        let span_ms = parse_duration(&span).map_err(|_| wrong())?;
        match (messages, span_ms) {
            (1.., 1..) => Ok(Rate { messages, span_ms }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = crate::model::format_duration(self.span_ms);
        let unit = span.strip_prefix('1').filter(|unit| unit.len() == 1);
        write!(f, "{}/{}", self.messages, unit.unwrap_or(&span))
    }
}

/// Who is told, of what, by which means and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Its name, unique in a store.
    #[serde(skip)]
    pub name: String,
    /// How it is reached.
    pub means: Means,
    /// What it is told of.
    pub on: Vec<AlertKind>,
    /// The jobs, by name; `*` stands for anything.
    pub jobs: Vec<String>,
    /// So many failures in a row before it is told.
    pub after: u32,
    /// When it is left alone.
    pub quiet: Option<Quiet>,
    /// How often it may be told.
    pub rate: Option<Rate>,
    /// How long a message waits for others to go with it, milliseconds.
    pub group_ms: Option<i64>,
    /// How late a run is that is told of as late, milliseconds.
    pub late_ms: i64,
    /// How long a job may go without success, milliseconds.
    pub silent_ms: Option<i64>,
    /// So many tries before a message is given up.
    pub tries: u32,
}

impl Receiver {
    /// One with the values that hold where nothing is said.
    pub fn of(name: &str, means: Means) -> Receiver {
        Receiver {
            name: name.to_owned(),
            means,
            on: AlertKind::USUAL.to_vec(),
            jobs: vec!["*".to_owned()],
            after: 1,
            quiet: None,
            rate: None,
            group_ms: None,
            late_ms: 60_000,
            silent_ms: None,
            tries: 20,
        }
    }

    /// Whether it asked for alerts of a kind.
    pub fn wants(&self, kind: AlertKind) -> bool {
        self.on.contains(&kind)
    }

    /// Whether it is told of a job.
    pub fn concerns(&self, job: &str) -> bool {
        self.jobs.iter().any(|pattern| fits(pattern, job))
    }

    /// Whether it is told of the start and the end of each run.
    pub fn pings(&self) -> bool {
        matches!(self.means, Means::Ping { .. })
    }
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            let ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
            ends.into_iter().any(|at| fits(rest, &tail[at..]))
        }),
    }
}

/// A receiver as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverRow {
    /// Its number; another one for each that is made, also by the same name.
    pub id: i64,
    /// What it is.
    pub receiver: Receiver,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was changed.
    pub changed_at: UnixMs,
}

#[cfg(test)]
mod tests {
    use crate::model::receiver::{Rate, fits, redacted_url};

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fit) in [
            ("*", "a", true),
            ("a*", "b", false),
            ("db-*", "db-main", true),
            ("*-db", "x-db", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_shown_of_an_address_leads_nowhere() {
        for (url, shown) in [
            (
                "https://hooks.example.org/T1/secret",
                "https://hooks.example.org/***",
            ),
            (
                "smtp://me:pw@mail.example.org:587",
                "smtp://mail.example.org:587",
            ),
            ("https://example.org?key=1", "https://example.org/***"),
        ] {
            assert_eq!(redacted_url(url), shown);
        }
    }

    #[test]
    fn rates_are_read_as_they_are_written() {
        for text in ["5/h", "3/10m", "20/d"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["5", "0/h", "x/h", "5/"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
