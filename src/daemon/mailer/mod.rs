//! The thread that has mailed what jobs kept from a crontab wrote, as their cron does.
//!
//! What is owed is a row of the store, made in the transaction that records the end of the attempt.
//! It is marked before the mail program is started, and what is marked is never begun again: each
//! letter is sent once, or not at all where the core or the host dies in the moment between. That
//! moment is told of as an event, like everything else that becomes of a letter. The mail program is
//! a process of its own, with a bound on its time and on how many there are at once.

mod body;
mod sending;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::Paths;
use crate::daemon::core::named;
use crate::daemon::mailer::body::{body, left_out, unspawnable};
use crate::daemon::mailer::sending::Sending;
use crate::daemon::order::Host;
use crate::daemon::transcript::TranscriptError;
use crate::letter::{Letter, Login, Rule, rule};
use crate::model::{Level, Note, Outcome};
use crate::process::{Mail, is_executable};
use crate::schedule::UnixMs;
use crate::store::{AttemptRow, JobRow, MailRow, Store, StoreError};

/// Most mail programs at once; cron has no bound.
const AT_ONCE: usize = 8;
/// How often it is asked whether one has ended.
const ROUND: Duration = Duration::from_millis(50);
/// The pause before what cannot be done now is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long output is waited for that is not in the store, milliseconds.
const OUTPUT_MS: i64 = 30_000;
/// The same trouble of the same job is told once in this time, milliseconds.
const TOLD_MS: i64 = 86_400_000;
/// At the end of the daemon mail programs are waited for so long, milliseconds.
const LEAVE_MS: i64 = 5_000;
/// Letters that are remembered, so that no store made anew brings one back.
const REMEMBERED: usize = 4_096;

/// What the thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bell {
    /// Mail is owed.
    Look,
    /// The daemon ends.
    Stop,
}

/// A letter whose mail program is at work.
struct Under {
    row: MailRow,
    job: String,
    what: String,
    program: Sending,
}

/// The hand on the thread.
pub struct Postman {
    bell: mpsc::Sender<Bell>,
    thread: JoinHandle<()>,
}

impl Postman {
    /// Starts the thread, which sends through this program; an empty path for none.
    pub fn start(paths: &Paths, host: &Host, program: PathBuf, clock: Arc<dyn Clock>) -> Postman {
        let (bell, heard) = mpsc::channel();
        let mailer = Mailer::new(paths, host, program, clock, heard);
        let thread = named("mail", move || mailer.run());
        Postman { bell, thread }
    }

    /// Mail is owed.
    pub fn look(&self) {
        // It lives as long as this.
        let _ = self.bell.send(Bell::Look);
    }

    /// Ends the thread; what is under way is waited for a little.
    pub fn stop(self) {
        let _ = self.bell.send(Bell::Stop);
        // Nobody depends on it.
        let _ = self.thread.join();
    }
}

/// The thread.
struct Mailer {
    paths: Paths,
    host: Host,
    program: PathBuf,
    clock: Arc<dyn Clock>,
    bell: Receiver<Bell>,
    sending: Vec<Under>,
    /// What is over and could not be recorded yet.
    over: Vec<(MailRow, Option<Note>)>,
    /// What was begun here.
    begun: VecDeque<(i64, u32)>,
    /// When which trouble was told.
    told: HashMap<(String, String), UnixMs>,
}

/// What is to be done with a letter.
enum Next {
    /// It is to be sent, with this body.
    Send(Box<Mail>, Vec<u8>),
    /// Nothing is sent, and that is to be told or not.
    Not(Option<(Level, String)>),
    /// Its output is not there yet.
    Wait,
}

impl Mailer {
    /// Sends through this program, an empty path for none.
    fn new(
        paths: &Paths,
        host: &Host,
        program: PathBuf,
        clock: Arc<dyn Clock>,
        bell: Receiver<Bell>,
    ) -> Mailer {
        Mailer {
            paths: paths.clone(),
            host: host.clone(),
            program,
            clock,
            bell,
            sending: Vec::new(),
            over: Vec::new(),
            begun: VecDeque::new(),
            told: HashMap::new(),
        }
    }

    /// Sends what is owed until told to stop.
    fn run(mut self) {
        // What a core before this one left.
        let mut look = true;
        loop {
            // A store that cannot be used now is tried again.
            let wait = match look {
                true => self.look().unwrap_or(true),
                false => false,
            };
            let ended = self.collect(self.clock.now().boot);
            let pause = match (self.sending.is_empty(), wait || !self.over.is_empty()) {
                (false, _) => Some(ROUND),
                (true, true) => Some(AGAIN),
                (true, false) => None,
            };
            let heard = match pause {
                Some(pause) => self.bell.recv_timeout(pause),
                None => self.bell.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            look = match heard {
                Ok(Bell::Look) => true,
                Ok(Bell::Stop) | Err(RecvTimeoutError::Disconnected) => return self.leave(),
                Err(RecvTimeoutError::Timeout) => ended || pause == Some(AGAIN) || wait,
            };
        }
    }

    /// Waits a little for what is under way, so that it is recorded.
    fn leave(mut self) {
        let until = self.clock.now().mono + LEAVE_MS;
        while !self.sending.is_empty() && self.clock.now().mono < until {
            if !self.collect(self.clock.now().boot) {
                std::thread::sleep(ROUND);
            }
        }
        if let Ok(mut store) = Store::open(&self.paths.store) {
            let _ = self.record(&mut store);
        }
    }

    /// Begins what is owed. Says whether to come again soon.
    fn look(&mut self) -> Result<bool, StoreError> {
        let mut store = Store::open(&self.paths.store)?;
        self.record(&mut store)?;
        let mut again = false;
        for row in store.mails(4 * AT_ONCE)? {
            let known = self.begun.contains(&(row.run.0, row.attempt));
            match row.begun_at {
                _ if self
                    .sending
                    .iter()
                    .any(|s| s.row.run == row.run && s.row.attempt == row.attempt) => {}
                None if !known => again |= self.take(&mut store, row)?,
                None => self.over.push((row, None)),
                Some(at) => self.forsaken(&mut store, row, at)?,
            }
        }
        self.record(&mut store)?;
        Ok(again)
    }

    /// Whoever began this one is gone.
    fn forsaken(&mut self, store: &mut Store, row: MailRow, at: UnixMs) -> Result<(), StoreError> {
        let run = store.run(row.run)?;
        let text = format!(
            "the daemon ended while the mail program was at work: what run {} wrote may or may not \
             have been mailed, and is not mailed again",
            row.run
        );
        let job = run.map(|run| run.job);
        let note = note(
            at.max(self.clock.now().wall),
            Level::Warn,
            (job, &row),
            text,
        );
        self.over.push((row, Some(note)));
        Ok(())
    }

    /// Sends one letter, or says why not. Says whether to come again.
    fn take(&mut self, store: &mut Store, row: MailRow) -> Result<bool, StoreError> {
        let now = self.clock.now().wall;
        let found = match store.run(row.run)? {
            Some(run) => store.job(&run.job)?,
            None => None,
        };
        let attempts = store.attempts(row.run)?;
        let attempt = attempts.into_iter().find(|a| a.n == row.attempt);
        let (Some(job), Some(attempt)) = (found, attempt) else {
            self.over.push((row, None));
            return Ok(false);
        };
        match self.next(store, &row, &job, &attempt, now)? {
            Next::Wait => return Ok(true),
            Next::Not(None) => self.over.push((row, None)),
            Next::Not(Some((level, text))) => {
                let name = job.job.name;
                let fresh = self.is_news(&name, &text, now);
                let note = fresh.then(|| note(now, level, (Some(name), &row), text));
                self.over.push((row, note));
            }
            Next::Send(..) if self.sending.len() >= AT_ONCE => {}
            Next::Send(mail, body) => {
                if store.begin_mail(&row, now)? {
                    self.begin(row, job.job.name, &mail, &body);
                }
            }
        }
        Ok(false)
    }

    fn next(
        &self,
        store: &Store,
        row: &MailRow,
        job: &JobRow,
        attempt: &AttemptRow,
        now: UnixMs,
    ) -> Result<Next, StoreError> {
        let spec = &job.job.spec;
        let user = spec.limits.user.as_ref().unwrap_or(&self.host.user);
        let failed = attempt.outcome != Some(Outcome::Succeeded);
        let to = match rule(spec, user) {
            Rule::Native | Rule::Nobody => return Ok(Next::Not(None)),
            Rule::To { failed_only, .. } if failed_only && !failed => return Ok(Next::Not(None)),
            Rule::Unsafe(to) => {
                let text = format!("no mail goes to \"{to}\": its cron does not take that name");
                return Ok(Next::Not(Some((Level::Warn, text))));
            }
            Rule::To { to, .. } => to,
        };
        let letter = Letter::of(spec, to, failed, self.host.lang.as_deref());
        let body = match attempt.outcome {
            Some(Outcome::Unspawnable) => unspawnable(spec, &letter, attempt.reason.as_deref()),
            _ => match body(store, &self.paths, row, attempt) {
                Ok(None) if now - row.made_at < OUTPUT_MS => return Ok(Next::Wait),
                Ok(found) => found.unwrap_or_else(|| left_out(attempt.out_bytes.unwrap_or(0))),
                Err(TranscriptError::Store(e)) => return Err(e),
                Err(e) => {
                    let text = format!("what it wrote cannot be mailed: {e}");
                    return Ok(Next::Not(Some((Level::Warn, text))));
                }
            },
        };
        if body.is_empty() || self.program.as_os_str().is_empty() {
            return Ok(Next::Not(None));
        }
        if !is_executable(&self.program) {
            let text = format!(
                "there is no mail program {}: what the job writes is kept and not mailed",
                self.program.display()
            );
            return Ok(Next::Not(Some((Level::Warn, text))));
        }
        let mail = Mail {
            letter,
            user: spec.limits.user.clone(),
            uid: spec.limits.uid,
            owner: Login {
                name: self.host.user.clone(),
                home: self.host.home.clone(),
            },
        };
        Ok(Next::Send(Box::new(mail), body))
    }

    fn begin(&mut self, row: MailRow, job: String, mail: &Mail, body: &[u8]) {
        self.begun.push_back((row.run.0, row.attempt));
        if self.begun.len() > REMEMBERED {
            self.begun.pop_front();
        }
        let now = self.clock.now();
        let what = format!("{} bytes to {}", body.len(), mail.letter.to);
        match Sending::begin(&self.program, mail, body, now.boot) {
            Ok(program) => self.sending.push(Under {
                row,
                job,
                what,
                program,
            }),
            Err(e) => {
                let text = format!("{what} could not be mailed: {e}");
                let note = note(now.wall, Level::Warn, (Some(job), &row), text);
                self.over.push((row, Some(note)));
            }
        }
    }

    /// Looks which mail programs have ended, and ends those that take too long. Says whether one has.
    fn collect(&mut self, now: i64) -> bool {
        let mut ended = false;
        for mut under in std::mem::take(&mut self.sending) {
            let Some(end) = under.program.end(now) else {
                self.sending.push(under);
                continue;
            };
            ended = true;
            let (level, text) = match end {
                Ok(()) => (Level::Info, format!("mailed {}", under.what)),
                Err(how) => {
                    let text = format!("mailed {}, but of the mail program: {how}", under.what);
                    (Level::Warn, text)
                }
            };
            let whose = (Some(under.job), &under.row);
            let note = note(self.clock.now().wall, level, whose, text);
            self.over.push((under.row, Some(note)));
        }
        ended
    }

    /// Writes down what is over.
    fn record(&mut self, store: &mut Store) -> Result<(), StoreError> {
        while let Some((row, note)) = self.over.last() {
            store.end_mail(row, note.as_ref())?;
            self.over.pop();
        }
        Ok(())
    }

    fn is_news(&mut self, job: &str, text: &str, now: UnixMs) -> bool {
        let key = (job.to_owned(), text.to_owned());
        let old = self.told.get(&key).is_some_and(|at| now - at < TOLD_MS);
        if !old {
            self.told.retain(|_, at| now - *at < TOLD_MS);
            self.told.insert(key, now);
        }
        !old
    }
}

fn note(at: UnixMs, level: Level, (job, row): (Option<String>, &MailRow), text: String) -> Note {
    Note {
        at,
        level,
        kind: "mail".to_owned(),
        job,
        run: Some(row.run),
        text,
    }
}
