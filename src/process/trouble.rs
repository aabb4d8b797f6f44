//! What the stage before a job says when it cannot execute it.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::process::form::Failure;

/// The reading end of the stage's pipe, and what came through it.
#[derive(Default)]
pub(in crate::process) struct Trouble {
    /// Readable when there is something to hear; gone once the job was executed or will not be.
    pub fd: Option<OwnedFd>,
    bytes: Vec<u8>,
}

impl Trouble {
    /// Over the pipe; nothing is ever said where there is none.
    pub fn from(fd: Option<OwnedFd>) -> Trouble {
        Trouble {
            fd,
            ..Trouble::default()
        }
    }

    /// Reads what is there.
    pub fn hear(&mut self) {
        let mut bytes = [0; 1024];
        while let Some(fd) = &self.fd {
            match rustix::io::read(fd, &mut bytes) {
                Ok(count @ 1..) => self.bytes.extend_from_slice(&bytes[..count]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Ok(0) | Err(_) => self.fd = None,
            }
        }
    }

    /// Whether the job is still not executed.
    pub fn is_open(&self) -> bool {
        self.fd.is_some()
    }

    /// Why it was not executed, if it was not.
    pub fn said(&mut self) -> Option<Failure> {
        self.hear();
        serde_json::from_slice(&self.bytes).ok()
    }
}
