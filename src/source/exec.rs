//! Commands that answer like a database: they print rows as JSON lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::{Map, Value, json};

use crate::model::{Cell, Secret};
use crate::source::error::{ErrorKind, Result, SourceError};
use crate::source::query::{Answer, Canceller, Connection, Query, Taken};

/// How much of what a command says on standard error is kept.
const SAID: u64 = 4 * 1024;

/// A command line that is started anew for each query.
pub(in crate::source) struct ExecConnection {
    line: String,
    secret: Option<Secret>,
    writable: bool,
    stop: Arc<Stop>,
}

#[derive(Default)]
struct Stop {
    /// The leader of the group that runs now.
    running: Mutex<Option<Pid>>,
}

impl Stop {
    fn set(&self, pid: Option<Pid>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    }
}

impl Canceller for Stop {
    fn cancel(&self) {
        // The lock is held so that the leader cannot be reaped, and its number used again, meanwhile.
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *running {
            // A group that is gone has nothing left to kill.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl ExecConnection {
    /// Starts nothing yet.
    pub fn new(line: &str, secret: Option<&Secret>, writable: bool) -> ExecConnection {
        ExecConnection {
            line: line.to_owned(),
            secret: secret.cloned(),
            writable,
            stop: Arc::new(Stop::default()),
        }
    }

    fn start(&self, query: &Query) -> Result<Child> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &self.line])
            .env("QUERY", &query.sql)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(secret) = &self.secret {
            command.env("SOURCE_PASSWORD", secret.expose());
        }
        for (name, value) in &query.params {
            let Some(text) = value.to_text() else {
                continue;
            };
            if text.contains('\0') {
                let message = format!("the parameter :{name} holds a zero byte");
                return Err(SourceError::new(ErrorKind::Params, message));
            }
            command.env(format!("PARAM_{}", name.to_ascii_uppercase()), text);
        }
        let started = command.spawn();
        started.map_err(|e| SourceError::new(ErrorKind::Exec, format!("cannot start /bin/sh: {e}")))
    }

    fn ask(&self, query: &Query, child: &mut Child) -> Result<(Taken, String)> {
        let params: Map<String, Value> = query
            .params
            .iter()
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect();
        let input = json!({"query": query.sql, "params": params}).to_string();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let reader = std::thread::scope(|scope| {
            scope.spawn(move || {
                if let Some(mut stdin) = stdin {
                    // A command that needs no input need not read it.
                    let _ = stdin.write_all(input.as_bytes());
                }
            });
            let said = scope.spawn(move || stderr.map(tail).unwrap_or_default());
            let taken = match stdout {
                Some(stdout) => read_rows(BufReader::new(stdout), query),
                None => Ok(Taken::new(Vec::new(), query)),
            };
            if taken.as_ref().map_or(true, |t| t.rows.truncated) {
                // Nobody reads the rest; what the command started must not wait for that.
                self.stop.cancel();
            }
            (taken, said.join().unwrap_or_default())
        });
        Ok((reader.0?, reader.1))
    }
}

/// The first of what a command says; the rest is read, so that it never waits.
fn tail(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = from.by_ref().take(SAID).read_to_end(&mut kept);
    let _ = std::io::copy(&mut from, &mut std::io::sink());
    String::from_utf8_lossy(&kept).trim().to_owned()
}

fn read_rows(mut from: impl BufRead, query: &Query) -> Result<Taken> {
    let mut taken: Option<Taken> = None;
    let mut number = 0;
    loop {
        let mut line = Vec::new();
        let most = u64::try_from(query.max_bytes)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let read = from.by_ref().take(most).read_until(b'\n', &mut line);
        let read = read.map_err(|e| SourceError::new(ErrorKind::Exec, e.to_string()))?;
        number += 1;
        if read == 0 {
            return Ok(taken.unwrap_or_else(|| Taken::new(Vec::new(), query)));
        }
        if line.len() > query.max_bytes {
            let message = format!("line {number} is longer than {} bytes", query.max_bytes);
            return Err(SourceError::new(ErrorKind::TooLarge, message));
        }
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let wrong = |why: String| {
            SourceError::new(
                ErrorKind::Exec,
                format!("line {number} of the output: {why}"),
            )
            .hint("print one JSON object a line, or arrays after one array of column names")
        };
        let value = serde_json::from_slice(line).map_err(|e| wrong(e.to_string()))?;
        let row = match (value, &mut taken) {
            (Value::Object(object), None) => {
                let columns = object.keys().cloned().collect();
                taken = Some(Taken::new(columns, query));
                object.into_values().map(of_json).collect()
            }
            (Value::Array(names), None) => {
                let names = names.into_iter().map(|n| match n {
                    Value::String(name) => Ok(name),
                    other => Err(wrong(format!("{other} is no name of a column"))),
                });
                taken = Some(Taken::new(names.collect::<Result<_>>()?, query));
                continue;
            }
            (Value::Object(object), Some(taken)) => of_object(taken, object),
            (Value::Array(values), Some(taken)) => {
                let (have, want) = (values.len(), taken.rows.columns.len());
                if have != want {
                    return Err(wrong(format!("{have} values for {want} columns")));
                }
                values.into_iter().map(of_json).collect()
            }
            _ => return Err(wrong("this is no row".to_owned())),
        };
        if let Some(taken) = &mut taken
            && !taken.take(row)
        {
            break;
        }
    }
    Ok(taken.unwrap_or_else(|| Taken::new(Vec::new(), query)))
}

/// A row by names: what is missing is NULL, and a name that was not there before is a new column.
fn of_object(taken: &mut Taken, mut object: Map<String, Value>) -> Vec<Cell> {
    let columns = &mut taken.rows.columns;
    let mut row: Vec<Cell> = columns
        .iter()
        .map(|name| object.remove(name).map_or(Cell::Null, of_json))
        .collect();
    if !object.is_empty() {
        for (name, value) in object {
            columns.push(name);
            row.push(of_json(value));
        }
        let width = columns.len();
        for earlier in &mut taken.rows.rows {
            earlier.resize(width, Cell::Null);
        }
    }
    row
}

fn of_json(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Bool(value),
        Value::String(text) => Cell::Text(text),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Cell::Int(value),
            None if number.is_u64() => Cell::Text(number.to_string()),
            None => number
                .as_f64()
                .map_or_else(|| Cell::Text(number.to_string()), Cell::Real),
        },
        other => Cell::Text(other.to_string()),
    }
}

impl Connection for ExecConnection {
    fn id(&self) -> String {
        "command".to_owned()
    }

    fn query(&mut self, query: &Query) -> Result<Answer> {
        if query.write && !self.writable {
            return Err(SourceError::read_only("this source is only read"));
        }
        self.run(query).map_err(|e| self.without_secret(e))
    }

    fn ping(&mut self) -> Result<()> {
        Ok(())
    }

    fn canceller(&self) -> Arc<dyn Canceller> {
        self.stop.clone()
    }

    fn is_gone(&self) -> bool {
        false
    }
}

impl ExecConnection {
    /// What a command says may be the password it was given.
    fn without_secret(&self, mut error: SourceError) -> SourceError {
        let secret = self.secret.as_ref().map(Secret::expose);
        if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
            error.message = error.message.replace(secret, "***");
        }
        error
    }

    fn run(&self, query: &Query) -> Result<Answer> {
        let mut child = self.start(query)?;
        let pid = Pid::from_child(&child);
        self.stop.set(Some(pid));
        let taken = self.ask(query, &mut child);
        // It may still be busy after it closed its output. It is not reaped here: what it left
        // behind in its group is ended first, while its number is nobody else's.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = waitid(WaitId::Pid(pid), options);
        self.stop.cancel();
        self.stop.set(None);
        let ended = child.wait();
        let (taken, said) = taken?;
        let ended = ended.map_err(|e| SourceError::new(ErrorKind::Exec, e.to_string()))?;
        let killed = ended.code().is_none();
        if killed && !taken.rows.truncated {
            let message = "the command was stopped";
            return Err(SourceError::new(ErrorKind::Cancelled, message));
        }
        // One whose rest nobody wanted may say how it takes that.
        let failed = ended
            .code()
            .filter(|code| *code != 0 && !taken.rows.truncated);
        if let Some(code) = failed {
            return Err(of_exit(code, &said));
        }
        Ok(Answer {
            affected: taken.rows.rows.len() as u64,
            rows: taken.rows,
            connection: pid.as_raw_nonzero().to_string(),
            ..Answer::default()
        })
    }
}

fn of_exit(code: i32, said: &str) -> SourceError {
    let message = match said.lines().next_back() {
        Some(last) => last.to_owned(),
        None => format!("the command ended with {code}"),
    };
    let error = SourceError::new(ErrorKind::Exec, message).code(format!("exit {code}"));
    match code {
        127 => error
            .hint("the command was not found: give its whole path, the daemon's PATH may differ"),
        126 => error.hint("the command may not be executed: check its mode"),
        _ => error,
    }
}
