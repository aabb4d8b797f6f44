//! What the core does for its guardian's sake: it hears what that one says, and gives a guardian
//! that was killed a successor, which takes over the living core.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, poll};

use crate::clock::Clock;
use crate::control::Watched;
use crate::daemon::core::{Keep, timespec};
use crate::daemon::guardian::ITSELF;
use crate::daemon::link::{self, Heard, Link, hear};
use crate::daemon::mailbox::Sender;
use crate::daemon::restarts::{Restarts, refusal};
use crate::model::{Level, Note};

/// The pause before a guardian that cannot be started is tried again.
const RETRY_MS: i64 = 1_000;

/// The guardian a core was started by, and what another one is started with.
#[derive(Debug, Default)]
pub struct Guarded {
    /// The core's end of the line; nothing where it was started without a guardian.
    pub line: Option<OwnedFd>,
    /// The guardian's process.
    pub guardian: Option<i32>,
    /// What a guardian is started with, beside the core.
    pub arguments: Vec<OsString>,
    /// Where the program lies, to be upgraded from.
    pub program: PathBuf,
    /// Whether a service manager starts the daemon again: then a core without a guardian leaves
    /// its place to that one.
    pub managed: bool,
}

/// How the core stands to its guardian.
pub struct Kin {
    guarded: Guarded,
    /// Where beats leave through.
    pub link: Arc<Link>,
    /// What readers are told.
    pub watched: Arc<Mutex<Watched>>,
    keeper: Sender<Keep>,
    clock: Arc<dyn Clock>,
}

impl Kin {
    /// `again` is what the guardian knows of the cores before, `keeper` is told of events.
    pub fn new(
        guarded: Guarded,
        again: Restarts,
        keeper: Sender<Keep>,
        clock: Arc<dyn Clock>,
    ) -> Kin {
        let line = guarded.line.as_ref();
        let link = Link::new(line.and_then(|line| line.try_clone().ok()));
        Kin {
            link: Arc::new(link),
            watched: Arc::new(Mutex::new(again.watched(guarded.guardian))),
            guarded,
            keeper,
            clock,
        }
    }

    /// Waits until the core is to end. Meanwhile there is a guardian.
    pub fn attend(mut self, end: &OwnedFd) {
        let mut child: Option<Child> = None;
        // Where it was started without one it goes on without one.
        let wanted = self.guarded.line.is_some();
        loop {
            let missing = wanted && self.guarded.line.is_none();
            let mut fds = vec![PollFd::new(end, PollFlags::IN)];
            fds.extend(
                self.guarded
                    .line
                    .iter()
                    .map(|l| PollFd::new(l, PollFlags::IN)),
            );
            let timeout = missing.then(|| timespec(RETRY_MS));
            if poll(&mut fds, timeout.as_ref()).is_ok() && !fds[0].revents().is_empty() {
                return;
            }
            match self.guarded.line.as_ref().map_or(Heard::Nothing, hear) {
                Heard::Nothing => {}
                Heard::Bytes(bytes) => self.told(&String::from_utf8_lossy(&bytes)),
                Heard::Closed if self.guarded.managed => {
                    eprintln!("crake: the guardian is gone; leaving it to the service manager");
                    return;
                }
                Heard::Closed => self.guarded.line = None,
            }
            if wanted && self.guarded.line.is_none() {
                self.succeed(&mut child);
            }
        }
    }

    /// The guardian said why it does not go over to another program.
    fn told(&self, words: &str) {
        for why in words.lines() {
            let now = self.clock.now().wall;
            self.keeper.send(Keep::Note(refusal(why, now)));
            let mut watched = self.watched.lock().unwrap_or_else(|e| e.into_inner());
            watched.refused = Some(why.to_owned());
            watched.refusals += 1;
        }
    }

    /// Starts a guardian for this core.
    fn succeed(&mut self, child: &mut Option<Child>) {
        if let Some(mut before) = child.take() {
            // It closed its end, so it is over or about to be.
            let _ = before.kill();
            let _ = before.wait();
        }
        let successor = match self.start() {
            Ok(successor) => successor,
            Err(e) => return eprintln!("crake: no guardian can be started: {e}"),
        };
        let pid = successor.id();
        eprintln!("crake: the guardian is gone; process {pid} takes its place");
        self.keeper.send(Keep::Note(Note {
            at: self.clock.now().wall,
            level: Level::Warn,
            kind: "guardian".to_owned(),
            job: None,
            run: None,
            text: format!("the guardian was killed; process {pid} takes its place"),
        }));
        let mut watched = self.watched.lock().unwrap_or_else(|e| e.into_inner());
        watched.guardian = i32::try_from(pid).ok();
        *child = Some(successor);
    }

    fn start(&mut self) -> std::io::Result<Child> {
        let (ours, theirs) = link::line()?;
        let said = ours.try_clone()?;
        let child = Command::new(ITSELF)
            .arg("__guardian")
            .arg(rustix::process::getpid().as_raw_nonzero().to_string())
            .arg(&self.guarded.program)
            .args(&self.guarded.arguments)
            .stdin(Stdio::from(theirs))
            .spawn()?;
        self.link.replace(said);
        self.guarded.line = Some(ours);
        Ok(child)
    }
}
