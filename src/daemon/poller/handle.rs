//! The core's end of a poller. Nothing here waits, whatever the process does.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use crate::daemon::poller::assembly::{Assembly, Unasked};
use crate::daemon::poller::event::{Answer, PollerEvent, Reply};
use crate::daemon::poller::launch::{Launch, with_variable};
use crate::daemon::poller::message::{Act, Answered, Ask, FromPoller, ToPoller};
use crate::daemon::poller::process::WORN_OUT;
use crate::model::{PollId, Secret, Source};
use crate::process::end_session;
use crate::process::frame::{Conn, FrameError, Heard};
use crate::source::{ErrorKind, SourceError};

/// How much of a line is told that a poller says at its end, characters.
const LINE: usize = 300;

/// How often one look reads at most, 16 KiB each: the caller has other things to do.
const READS: u32 = 256;

/// A poller process.
pub struct Poller {
    child: Option<Child>,
    pid: i32,
    pidfd: OwnedFd,
    conn: Conn,
    /// What it says on standard error: only how it came to an end.
    words: OwnedFd,
    /// Nothing is to be heard on the socket any more.
    deaf: bool,
    /// Why it was killed, where that was decided here.
    fault: Option<String>,
    asked: BTreeMap<PollId, Assembly>,
    last_heard: i64,
}

impl Poller {
    /// Starts a poller for a source. `secret` is the stored password; one in a variable is read
    /// here, because the poller has none of this process's variables. `now` is of the monotonic
    /// clock, as everywhere in this type.
    ///
    /// # Errors
    /// No process or no descriptor left; the definition is too long.
    pub fn start(
        launch: &Launch,
        source: &Source,
        secret: Option<Secret>,
        now: i64,
    ) -> io::Result<Poller> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // Neither end ever waits: words that nobody reads are dropped.
        let (words, its_words) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let mut command = Command::new(&launch.program);
        command
            .arg0(format!("crake: poller {}", source.name))
            .arg("__poller")
            .env_clear()
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(its_words);
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other("no descriptor left"));
        };
        let mut poller = Poller {
            child: Some(child),
            pid: pid.as_raw_pid(),
            pidfd,
            conn: Conn::over(ours),
            words,
            deaf: false,
            fault: None,
            asked: BTreeMap::new(),
            last_heard: now,
        };
        let (source, secret) = with_variable(source, secret);
        let open = ToPoller::Open {
            source: Box::new(source),
            secret,
        };
        poller.conn.send(&open).map_err(io::Error::other)?;
        Ok(poller)
    }

    /// Has a poll made. What it brings is an [`PollerEvent::Answered`] with its number, unless the
    /// poller ends before.
    ///
    /// # Errors
    /// `too_large`: statement and values are too long to be sent. Nothing was asked then.
    pub fn ask(&mut self, ask: Ask) -> Result<(), SourceError> {
        let assembly = Assembly::of(&ask);
        let poll = ask.poll;
        self.conn.send(&ToPoller::Ask { ask }).map_err(too_long)?;
        self.asked.insert(poll, assembly);
        Ok(())
    }

    /// Has something changed. What comes of it is an [`PollerEvent::Acted`] with its number, unless
    /// the poller ends before.
    ///
    /// # Errors
    /// `too_large`: statement and values are too long to be sent. Nothing was done then.
    pub fn act(&mut self, act: Act) -> Result<(), SourceError> {
        self.conn.send(&ToPoller::Act { act }).map_err(too_long)
    }

    /// Has exactly these channels listened to from now on.
    pub fn listen(&mut self, channels: BTreeSet<String>) {
        // Names of channels are short; so many that they are too long together are not listened to.
        let _ = self.conn.send(&ToPoller::Listen { channels });
    }

    /// Tells it to stop what is under way and to end.
    pub fn leave(&mut self) {
        let _ = self.conn.send(&ToPoller::Leave);
    }

    /// Whether something waits to be sent: then [`Poller::hear`] is also to be called when the
    /// descriptor can be written to.
    pub fn wants_out(&self) -> bool {
        !self.deaf && self.conn.wants_out()
    }

    /// Hears what is there, and sends what waits to be sent.
    pub fn hear(&mut self, now: i64) -> Vec<PollerEvent> {
        let mut events = Vec::new();
        if self.child.is_none() {
            return events;
        }
        self.conn.flush();
        let mut reads = 0;
        while !self.deaf && reads < READS {
            reads += 1;
            match self.conn.listen() {
                Heard::Nothing => break,
                Heard::Some => {
                    self.last_heard = now;
                    self.take(&mut events);
                }
                Heard::Closed => {
                    self.deaf = true;
                    // It ends, or has lost its end; there is nothing more to be had from it.
                    self.kill();
                }
            }
        }
        events.extend(self.ended().map(|how| PollerEvent::Gone { how }));
        events
    }

    /// For how long nothing has been heard, milliseconds.
    pub fn silent_ms(&self, now: i64) -> i64 {
        now - self.last_heard
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Kills it. That it is gone is told by [`Poller::hear`].
    pub fn kill(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        // Its number is its own until it was waited for, and that is done where `child` goes.
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
        let _ = child.kill();
    }

    fn take(&mut self, events: &mut Vec<PollerEvent>) {
        while !self.deaf {
            let taken = match self.conn.next_message::<FromPoller>() {
                Ok(None) => return,
                Ok(Some(message)) => self.take_message(message, events),
                Err(_) => Err(Unasked("something that cannot be read")),
            };
            if let Err(Unasked(what)) = taken {
                self.fault = Some(format!("it was killed because it said {what}"));
                self.deaf = true;
                self.kill();
            }
        }
    }

    fn take_message(
        &mut self,
        message: FromPoller,
        events: &mut Vec<PollerEvent>,
    ) -> Result<(), Unasked> {
        let event = match message {
            FromPoller::Beat { beat } => PollerEvent::Beat(beat),
            FromPoller::Rows { poll, rows } => {
                let assembly = self.asked.get_mut(&poll);
                return assembly.map_or(Ok(()), |a| a.rows(rows));
            }
            FromPoller::Piece { poll, text, last } => {
                let assembly = self.asked.get_mut(&poll);
                return assembly.map_or(Ok(()), |a| a.piece(&text, last));
            }
            FromPoller::Answered { answered } => {
                let Some(assembly) = self.asked.remove(&PollId(answered.poll)) else {
                    return Ok(());
                };
                PollerEvent::Answered(Box::new(answer(*answered, assembly)?))
            }
            FromPoller::Acted { acted } => PollerEvent::Acted(acted),
            FromPoller::Heard { channel } => PollerEvent::Heard { channel },
            FromPoller::Deaf {
                channel,
                since,
                error,
            } => PollerEvent::Deaf {
                channel,
                since,
                error,
            },
            FromPoller::Listening {
                channel,
                again_after,
            } => PollerEvent::Listening {
                channel,
                again_after,
            },
            FromPoller::Leak {
                owner,
                sql,
                held_ms,
                connection,
            } => PollerEvent::Leak {
                owner,
                sql,
                held_ms,
                connection,
            },
            FromPoller::Unknown => return Ok(()),
        };
        events.push(event);
        Ok(())
    }

    /// How it ended, once it has; then it is waited for, and what it left behind is killed.
    fn ended(&mut self) -> Option<String> {
        let child = self.child.as_mut()?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(Pid::from_child(child)), options);
        if matches!(status, Ok(None)) {
            return None;
        }
        end_session(self.pid);
        let status = child.try_wait();
        self.child = None;
        self.deaf = true;
        let how = status.map_or_else(
            |e| e.to_string(),
            |s| s.map_or_else(String::new, |status| how_it_ended(&status)),
        );
        let how = self.fault.take().unwrap_or(how);
        Some(match last_line(&self.words) {
            Some(line) => format!("{how}: {line}"),
            None => how,
        })
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // A closed socket can be read at once and for ever; then only the end is waited for.
        match self.deaf {
            true => self.pidfd.as_fd(),
            false => self.conn.as_fd(),
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.kill();
        if self.ended().is_some() {
            return;
        }
        let Some(mut child) = self.child.take() else {
            return;
        };
        // It dies in a moment, or the kernel does not let it die: nobody is to wait for that here.
        let thread = std::thread::Builder::new().name("crake-reaper".to_owned());
        let _ = thread.spawn(move || {
            let pid = Pid::from_child(&child);
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = waitid(WaitId::Pid(pid), options);
            end_session(pid.as_raw_pid());
            let _ = child.wait();
        });
    }
}

fn answer(answered: Answered, assembly: Assembly) -> Result<Answer, Unasked> {
    let result = match &answered.error {
        Some(error) => Err(error.clone()),
        None => Ok(Reply {
            rows: assembly.whole(&answered)?,
            affected: answered.affected,
            claimed: answered.claimed,
            transactions: answered.transactions,
        }),
    };
    Ok(Answer {
        poll: PollId(answered.poll),
        took_ms: answered.took_ms,
        wait_ms: answered.wait_ms,
        connection: answered.connection,
        result,
    })
}

fn too_long(error: FrameError) -> SourceError {
    SourceError::new(ErrorKind::TooLarge, error.to_string())
        .hint("a statement with its values may have 8 MiB")
}

/// The last line of what was said, made harmless.
fn last_line(words: &OwnedFd) -> Option<String> {
    let (mut said, mut bytes) = (Vec::new(), [0_u8; 4096]);
    // A pipe holds no more than its capacity, but somebody may still be writing.
    for _ in 0..32 {
        match rustix::io::read(words, &mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(count) => said.extend_from_slice(&bytes[..count]),
        }
    }
    let text = String::from_utf8_lossy(&said);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let plain = line.chars().filter(|c| !c.is_control());
    Some(plain.take(LINE).collect())
}

fn how_it_ended(status: &ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "it left".to_owned(),
        (Some(WORN_OUT), _) => "it gave up, because too many of its threads hung".to_owned(),
        (Some(code), _) => format!("it ended with {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}
