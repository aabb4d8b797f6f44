//! Messages on a stream: four bytes of length (little endian), then JSON. The core speaks so with its
//! workers and with its pollers.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest message, bytes.
pub const LONGEST: usize = 8 << 20;
const HEADER: usize = 4;

/// A message that cannot be read or is too long; the connection is of no further use.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`LONGEST`].
    #[error("a message of {0} bytes is longer than the {LONGEST} allowed")]
    TooLong(usize),
    /// No JSON, or not of the kind expected.
    #[error("a message that cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// What a look at the stream brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Bytes; there may be more.
    Some,
    /// Nothing at present.
    Nothing,
    /// The other end is gone.
    Closed,
}

/// One end of a connection that never blocks.
pub struct Conn {
    fd: OwnedFd,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    sent: usize,
}

impl Conn {
    /// Takes a connected stream socket that is in non-blocking mode.
    pub fn over(fd: OwnedFd) -> Conn {
        Conn {
            fd,
            inbox: Vec::new(),
            outbox: Vec::new(),
            sent: 0,
        }
    }

    /// Queues a message and sends what can be sent at once. A dead peer is not told apart here: it
    /// shows when the stream is read.
    pub fn send<T: Serialize>(&mut self, message: &T) -> Result<(), FrameError> {
        let start = self.outbox.len();
        self.outbox.extend_from_slice(&[0; HEADER]);
        if let Err(e) = serde_json::to_writer(&mut self.outbox, message) {
            self.outbox.truncate(start);
            return Err(e.into());
        }
        let len = self.outbox.len() - start - HEADER;
        if len > LONGEST {
            self.outbox.truncate(start);
            return Err(FrameError::TooLong(len));
        }
        let header = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
        self.outbox[start..start + HEADER].copy_from_slice(&header);
        self.flush();
        Ok(())
    }

    /// Sends what is queued, as far as the peer takes it.
    pub fn flush(&mut self) {
        while self.sent < self.outbox.len() {
            match rustix::net::send(&self.fd, &self.outbox[self.sent..], SendFlags::NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // The peer is gone; nothing queued matters any more.
                Err(_) => break,
            }
        }
        self.outbox.clear();
        self.sent = 0;
    }

    /// Whether something waits to be sent.
    pub fn wants_out(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Reads once.
    pub fn listen(&mut self) -> Heard {
        let mut bytes = [0u8; 16 << 10];
        loop {
            match rustix::net::recv(&self.fd, &mut bytes[..], RecvFlags::empty()) {
                Ok((0, _)) => return Heard::Closed,
                Ok((count, _)) => {
                    self.inbox.extend_from_slice(&bytes[..count]);
                    return Heard::Some;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Heard::Nothing,
                Err(_) => return Heard::Closed,
            }
        }
    }

    /// The next complete message among what was read.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some(header) = self.inbox.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_le_bytes(*header)).unwrap_or(usize::MAX);
        if len > LONGEST {
            return Err(FrameError::TooLong(len));
        }
        let Some(body) = self.inbox.get(HEADER..HEADER + len) else {
            return Ok(None);
        };
        let message = serde_json::from_slice(body)?;
        self.inbox.drain(..HEADER + len);
        Ok(Some(message))
    }
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use crate::process::frame::{Conn, FrameError, Heard, LONGEST};

    fn pair() -> (Conn, OwnedFd) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        (Conn::over(a), b)
    }

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let (mut conn, peer) = pair();
        let mut bytes = 7u32.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"\"hello\"");
        for byte in &bytes[..bytes.len() - 1] {
            rustix::io::write(&peer, &[*byte]).unwrap();
            assert_eq!(conn.listen(), Heard::Some);
            assert_eq!(conn.next_message::<String>().unwrap(), None);
        }
        rustix::io::write(&peer, b"\"").unwrap();
        assert_eq!(conn.listen(), Heard::Some);
        assert_eq!(
            conn.next_message::<String>().unwrap().as_deref(),
            Some("hello")
        );
        drop(peer);
        assert_eq!(conn.listen(), Heard::Closed);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_stored() {
        let (mut conn, peer) = pair();
        rustix::io::write(&peer, &u32::MAX.to_le_bytes()).unwrap();
        conn.listen();
        assert!(matches!(
            conn.next_message::<String>(),
            Err(FrameError::TooLong(_))
        ));
        let long = "x".repeat(LONGEST);
        assert!(matches!(conn.send(&long), Err(FrameError::TooLong(_))));
        assert!(!conn.wants_out());
    }

    #[test]
    fn a_peer_that_does_not_read_blocks_nobody() {
        let (mut conn, peer) = pair();
        let long = "x".repeat(LONGEST / 2);
        conn.send(&long).unwrap();
        assert!(conn.wants_out());
        drop(peer);
        conn.flush();
        assert!(!conn.wants_out());
    }
}
