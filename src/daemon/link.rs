//! The line between a core and its guardian: a pair of sockets, one byte for each round of the
//! firing loop in one direction, words for the next event in the other.
//!
//! The core's end tells at once when the guardian is gone, and the guardian's when the core is.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use rustix::io::Errno;

/// A round of the firing loop.
pub const BEAT: u8 = b'.';

/// The core ends because it was told to.
pub const GOODBYE: u8 = b'q';

/// Makes a line: the core's end and the guardian's. Neither end ever waits.
///
/// # Errors
/// No descriptor left.
pub fn line() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    Ok((ours.into(), theirs.into()))
}

/// What is heard on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing at the moment.
    Nothing,
    /// Bytes.
    Bytes(Vec<u8>),
    /// The other end is closed.
    Closed,
}

/// Hears what is there.
pub fn hear(line: &OwnedFd) -> Heard {
    let (mut all, mut bytes) = (Vec::new(), [0_u8; 1024]);
    loop {
        match rustix::io::read(line, &mut bytes) {
            Ok(0) if all.is_empty() => return Heard::Closed,
            Ok(0) => return Heard::Bytes(all),
            Ok(n) => all.extend_from_slice(&bytes[..n]),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if all.is_empty() => return Heard::Nothing,
            Err(Errno::AGAIN) => return Heard::Bytes(all),
            Err(_) if all.is_empty() => return Heard::Closed,
            Err(_) => return Heard::Bytes(all),
        }
    }
}

/// The core's end, which is replaced together with the guardian.
#[derive(Debug, Default)]
pub struct Link {
    to_guardian: Mutex<Option<OwnedFd>>,
}

impl Link {
    /// A link over the core's end of a line.
    pub fn new(end: Option<OwnedFd>) -> Link {
        Link {
            to_guardian: Mutex::new(end),
        }
    }

    /// Says one byte. A full line says as much as another byte; a guardian that is gone hears
    /// nothing.
    pub fn say(&self, byte: u8) {
        let end = self.to_guardian.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(line) = &*end {
            let _ = rustix::io::write(line, &[byte]);
        }
    }

    /// From now on there is another guardian at the other end of another line.
    pub fn replace(&self, end: OwnedFd) {
        *self.to_guardian.lock().unwrap_or_else(|e| e.into_inner()) = Some(end);
    }
}
