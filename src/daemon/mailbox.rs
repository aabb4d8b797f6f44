//! A channel whose receiver can be waited for together with other descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io;

/// The receiving end.
pub struct Mailbox<T> {
    messages: mpsc::Receiver<T>,
    bell: Arc<OwnedFd>,
}

/// A sending end.
pub struct Sender<T> {
    messages: mpsc::Sender<T>,
    bell: Arc<OwnedFd>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender {
            messages: self.messages.clone(),
            bell: Arc::clone(&self.bell),
        }
    }
}

/// Makes a channel.
///
/// # Errors
/// No descriptor left.
pub fn mailbox<T>() -> std::io::Result<(Sender<T>, Mailbox<T>)> {
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let (sender, receiver) = mpsc::channel();
    let sender = Sender {
        messages: sender,
        bell: Arc::clone(&bell),
    };
    let mailbox = Mailbox {
        messages: receiver,
        bell,
    };
    Ok((sender, mailbox))
}

impl<T> Sender<T> {
    /// Sends a message and wakes the receiver. A receiver that is gone is on its way out with the
    /// whole process.
    pub fn send(&self, message: T) {
        if self.messages.send(message).is_ok() {
            // A full counter means that the bell rings already.
            let _ = io::write(&*self.bell, &1_u64.to_ne_bytes());
        }
    }
}

impl<T> Mailbox<T> {
    /// Takes everything that is there.
    pub fn take(&self) -> Vec<T> {
        let mut count = [0_u8; 8];
        // Silenced before the messages are taken, so that none can arrive unheard.
        let _ = io::read(&*self.bell, &mut count);
        self.messages.try_iter().collect()
    }
}

impl<T> AsFd for Mailbox<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
