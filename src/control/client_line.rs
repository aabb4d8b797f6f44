//! One client of the daemon: a line in, a line out, nothing waited for.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;

use crate::control::door::Peer;
use crate::control::{ANSWER_MAX, LINE_MAX, Reply, Request};

/// How far a client is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::control) enum Step {
    /// It has more to say, or more to take.
    Waits,
    /// It asked something.
    Asked(Box<Request>),
    /// It said something that is no request; the answer is ready.
    Garbled,
    /// It is done, or gone.
    Done,
}

/// One client.
pub(in crate::control) struct ClientLine {
    stream: UnixStream,
    pub(in crate::control) peer: Peer,
    /// When it came, in the order of clients.
    pub(in crate::control) since: u64,
    said: Vec<u8>,
    /// Whether it asked something that is answered later.
    waits: bool,
    answer: Option<(Vec<u8>, usize)>,
}

impl ClientLine {
    /// A client that has just come.
    pub(in crate::control) fn new(stream: UnixStream, since: u64) -> io::Result<ClientLine> {
        stream.set_nonblocking(true)?;
        let peer = rustix::net::sockopt::socket_peercred(&stream)?;
        Ok(ClientLine {
            stream,
            peer: Peer {
                uid: peer.uid.as_raw(),
            },
            since,
            said: Vec::new(),
            waits: false,
            answer: None,
        })
    }

    /// What it is waited for.
    pub(in crate::control) fn wants(&self) -> PollFlags {
        match self.answer {
            Some(_) => PollFlags::OUT,
            // Only that it hangs up, which nobody has to ask for.
            None if self.waits => PollFlags::empty(),
            None => PollFlags::IN,
        }
    }

    /// It is answered later; what more it says is not read.
    pub(in crate::control) fn wait(&mut self) {
        self.waits = true;
        self.said = Vec::new();
    }

    /// Goes on as far as it goes without waiting.
    pub(in crate::control) fn go_on(&mut self) -> Step {
        if self.answer.is_some() {
            return self.write();
        }
        if self.waits {
            // Woken without an answer: it hung up.
            return Step::Done;
        }
        let mut bytes = [0_u8; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                // It closed its side in the middle of a line.
                Ok(0) => return Step::Done,
                Ok(n) => self.said.extend_from_slice(&bytes[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Step::Waits,
                Err(_) => return Step::Done,
            }
            if let Some(end) = self.said.iter().position(|b| *b == b'\n') {
                return self.asked(end);
            }
            if self.said.len() >= LINE_MAX {
                self.reply(&Reply::Refused("the line is too long".to_owned()));
                return Step::Garbled;
            }
        }
    }

    fn asked(&mut self, end: usize) -> Step {
        match read_request(&self.said[..end]) {
            Ok(request) => Step::Asked(Box::new(request)),
            Err(why) => {
                self.reply(&Reply::Refused(why));
                Step::Garbled
            }
        }
    }

    /// Gives it an answer, to be written as it takes it.
    pub(in crate::control) fn reply(&mut self, reply: &Reply) {
        let mut line = serde_json::to_vec(reply).unwrap_or_default();
        if line.len() >= ANSWER_MAX {
            let refused = Reply::Refused("the answer is too long".to_owned());
            line = serde_json::to_vec(&refused).unwrap_or_default();
        }
        line.push(b'\n');
        self.answer = Some((line, 0));
    }

    fn write(&mut self) -> Step {
        let Some((line, written)) = &mut self.answer else {
            return Step::Waits;
        };
        while *written < line.len() {
            match self.stream.write(&line[*written..]) {
                Ok(0) => return Step::Done,
                Ok(n) => *written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Step::Waits,
                Err(_) => return Step::Done,
            }
        }
        Step::Done
    }
}

impl AsFd for ClientLine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Reads a request: one JSON value, whatever stands in it.
///
/// # Errors
/// Why it is none, in words.
pub fn read_request(line: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(line).map_err(|e| e.to_string())
}
