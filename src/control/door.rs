//! Who may ask what: decided by the user at the other end of the socket, as the kernel tells it
//! (`SO_PEERCRED`, unix(7)).

use crate::control::{Reply, Request};

/// The user at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user's number.
    pub uid: u32,
}

/// What the owner of an instance lets others ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// The user the daemon runs as.
    pub owner: u32,
}

impl Door {
    /// Whether a user may do everything: the owner of the instance and root.
    pub fn is_master(&self, peer: Peer) -> bool {
        peer.uid == 0 || peer.uid == self.owner
    }

    /// Whether a user may ask this. Others may ask whether the daemon keeps time, and send petitions:
    /// those carry the user's number, and whoever executes them looks at nothing else.
    pub fn admits(&self, peer: Peer, request: &Request) -> bool {
        match request {
            _ if self.is_master(peer) => true,
            Request::Ping | Request::Petition(_) => true,
            // Nothing is read for it, and the change it tells of is looked for anyway; but anybody
            // could keep the store side busy with it.
            Request::Nudge => false,
        }
    }

    /// Takes out of a reply what is not for everybody: names of files and of other programs, and how
    /// much others have to do.
    pub fn veil(&self, peer: Peer, reply: Reply) -> Reply {
        match reply {
            Reply::Alive(mut alive) if !self.is_master(peer) => {
                // It names files and processes.
                alive.trouble = None;
                alive.degraded = alive
                    .degraded
                    .map(|_| "it works without its store".to_owned());
                (alive.armed, alive.live) = (0, 0);
                alive.watched.ending = None;
                alive.watched.refused = None;
                Reply::Alive(alive)
            }
            reply => reply,
        }
    }
}
