//! Where the threads of a poller leave what its loop is to take up.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use crate::daemon::poller::message::{Acted, Answered, FromPoller};
use crate::model::Cell;
use crate::source::PoolEvent;

/// What a thread brings.
pub(in crate::daemon::poller) enum Post {
    /// A poll is over.
    Answered {
        /// The ticket of the work.
        ticket: u64,
        /// The rows.
        rows: Vec<Vec<Cell>>,
        /// The rest.
        said: Box<Answered>,
    },
    /// An act is over.
    Acted {
        /// The ticket of the work.
        ticket: u64,
        /// What came of it.
        acted: Acted,
    },
    /// The ear with this number says something of its channel.
    Ear(u64, FromPoller),
    /// The pool was looked after.
    Tended(Vec<PoolEvent>),
}

/// A queue with a bell. Clones are the same.
#[derive(Clone)]
pub(in crate::daemon::poller) struct Postbox {
    shared: Arc<(Mutex<Vec<Post>>, OwnedFd)>,
}

impl Postbox {
    /// An empty one.
    pub fn new() -> std::io::Result<Postbox> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Postbox {
            shared: Arc::new((Mutex::new(Vec::new()), bell)),
        })
    }

    /// Leaves something.
    pub fn leave(&self, post: Post) {
        let (posts, bell) = &*self.shared;
        let mut posts = posts.lock().unwrap_or_else(PoisonError::into_inner);
        posts.push(post);
        // A bell that cannot take more rings already.
        let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
    }

    /// Takes everything.
    pub fn take(&self) -> Vec<Post> {
        let (posts, bell) = &*self.shared;
        let mut count = [0_u8; 8];
        let _ = rustix::io::read(bell, &mut count);
        std::mem::take(&mut *posts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsFd for Postbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.1.as_fd()
    }
}
