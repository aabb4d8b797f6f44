//! Whether a source answers, step by step, and what to do where it does not.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::model::{Address, Dsn, Secret, Source, SourceEngine};
use crate::source::bounded::run_bounded;
use crate::source::driver;
use crate::source::error::{ErrorKind, Result, SourceError};
use crate::source::query::{Connection, Query};
use crate::source::sqlite::file_of;

/// How long one step may take.
const STEP: Duration = Duration::from_secs(5);

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseOutcome {
    /// It went well.
    Ok,
    /// It failed.
    Failed,
    /// It was not come to, or there is no such step for this engine.
    Skipped,
}

impl PhaseOutcome {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            PhaseOutcome::Ok => "ok",
            PhaseOutcome::Failed => "failed",
            PhaseOutcome::Skipped => "skipped",
        }
    }
}

/// One step of reaching a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// `resolve`, `connect`, `login` or `query`.
    pub name: &'static str,
    /// What became of it.
    pub outcome: PhaseOutcome,
    /// How long it took, milliseconds; 0 where it was skipped.
    pub took_ms: i64,
    /// What was found, for example the addresses of a name.
    pub detail: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The four steps in their order.
    pub phases: Vec<Phase>,
    /// Why the last one failed; its hint is the next step to take.
    pub error: Option<SourceError>,
}

impl Diagnosis {
    /// What is found where no step can be taken, for example because the password cannot be read.
    pub fn of_error(error: SourceError) -> Diagnosis {
        let skipped = |name| Phase {
            name,
            outcome: PhaseOutcome::Skipped,
            took_ms: 0,
            detail: None,
        };
        Diagnosis {
            phases: STEPS.map(skipped).to_vec(),
            error: Some(error),
        }
    }

    /// Whether every step went well.
    pub fn is_well(&self) -> bool {
        self.error.is_none()
    }
}

const STEPS: [&str; 4] = ["resolve", "connect", "login", "query"];

struct Steps<'a> {
    now: &'a dyn Fn() -> i64,
    phases: Vec<Phase>,
}

impl Steps<'_> {
    fn skip(&mut self) {
        let name = STEPS[self.phases.len().min(3)];
        self.phases.push(Phase {
            name,
            outcome: PhaseOutcome::Skipped,
            took_ms: 0,
            detail: None,
        });
    }

    fn take<T>(&mut self, f: impl FnOnce() -> Result<(T, Option<String>)>) -> Result<T> {
        let name = STEPS[self.phases.len().min(3)];
        let begin = (self.now)();
        let done = f();
        let took_ms = (self.now)() - begin;
        let outcome = match &done {
            Ok(_) => PhaseOutcome::Ok,
            Err(_) => PhaseOutcome::Failed,
        };
        let (value, detail) = match done {
            Ok((value, detail)) => (Ok(value), detail),
            Err(e) => (Err(e), None),
        };
        self.phases.push(Phase {
            name,
            outcome,
            took_ms,
            detail,
        });
        value
    }
}

/// Tries a source: finds the host or the file, reaches it, logs in, asks `SELECT 1` of it. `now` is
/// a clock that only goes forward, milliseconds. Blocks until it is done: the name service may take
/// its own time, every other step takes a few seconds at most.
pub fn diagnose(source: &Source, secret: Option<&Secret>, now: &dyn Fn() -> i64) -> Diagnosis {
    let mut steps = Steps {
        now,
        phases: Vec::new(),
    };
    let error = go(source, secret, &mut steps).err();
    while steps.phases.len() < STEPS.len() {
        steps.skip();
    }
    Diagnosis {
        phases: steps.phases,
        error,
    }
}

fn go(source: &Source, secret: Option<&Secret>, steps: &mut Steps<'_>) -> Result<()> {
    let target = source.target();
    let target = target.map_err(|e| SourceError::new(ErrorKind::Config, e.message).hint(e.hint))?;
    let port = match source.engine {
        SourceEngine::Mysql => 3306,
        _ => 5432,
    };
    let conn: Box<dyn Connection> = match &target {
        Dsn::Sqlite(path) => {
            steps.take(|| file_of(path).map(|_| ((), Some(path.clone()))))?;
            let open = || driver::open(source, secret, "test");
            let conn = steps.take(|| open().map(|conn| (conn, None)))?;
            steps.skip();
            conn
        }
        Dsn::Exec(_) => {
            steps.skip();
            steps.skip();
            steps.skip();
            driver::open(source, secret, "test")?
        }
        Dsn::Postgres(address) | Dsn::Mysql(address) => {
            reach(address, address.port.unwrap_or(port), steps)?;
            steps.take(|| {
                let conn = driver::open(source, secret, "test")?;
                let id = format!("connection {}", conn.id());
                Ok((conn, Some(id)))
            })?
        }
    };
    let mut query = Query::new("SELECT 1", "test");
    query.timeout_ms = i64::try_from(STEP.as_millis()).unwrap_or(5_000);
    steps.take(|| {
        let (_, answer) = run_bounded(conn, &query);
        answer.map(|answer| ((), Some(rows(answer.rows.rows.len()))))
    })
}

fn rows(count: usize) -> String {
    match count {
        1 => "1 row".to_owned(),
        n => format!("{n} rows"),
    }
}

fn reach(address: &Address, port: u16, steps: &mut Steps<'_>) -> Result<()> {
    if address.host.starts_with('/') {
        steps.skip();
        // The socket's own name differs from engine to engine: logging in finds it.
        steps.skip();
        return Ok(());
    }
    let found: Vec<SocketAddr> = steps.take(|| {
        let found = (address.host.as_str(), port).to_socket_addrs();
        let found: Vec<SocketAddr> = found.map_err(|e| unknown(&address.host, &e))?.collect();
        let words: Vec<String> = found.iter().map(|a| a.ip().to_string()).collect();
        Ok((found, Some(words.join(", "))))
    })?;
    steps.take(|| {
        let mut last = None;
        for place in &found {
            match TcpStream::connect_timeout(place, STEP) {
                Ok(_) => return Ok(((), Some(place.to_string()))),
                Err(e) => last = Some((place, e)),
            }
        }
        Err(unreached(last, address, port))
    })
}

fn unknown(host: &str, e: &std::io::Error) -> SourceError {
    SourceError::new(
        ErrorKind::Resolve,
        format!("no address for the host {host}: {e}"),
    )
    .hint(format!(
        "check the name: `getent hosts {host}` should print an address"
    ))
}

fn unreached(
    last: Option<(&SocketAddr, std::io::Error)>,
    address: &Address,
    port: u16,
) -> SourceError {
    let Some((place, e)) = last else {
        return unknown(&address.host, &std::io::Error::other("there is none"));
    };
    let error = SourceError::new(ErrorKind::Connect, format!("cannot reach {place}: {e}"));
    error.hint(match e.kind() {
        std::io::ErrorKind::ConnectionRefused => format!(
            "nothing listens on port {port} there: check the port, that the server runs, and its listen address"
        ),
        std::io::ErrorKind::TimedOut => {
            "nobody answers: a firewall, or a host that is off".to_owned()
        }
        _ => "check the network between here and there".to_owned(),
    })
}
