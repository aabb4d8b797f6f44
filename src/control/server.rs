//! The answering side: one thread, which waits for all clients at once and for none of them long.
//!
//! However many there are and whatever they send, a client that asks a question is answered at once
//! as long as there is a descriptor for it. The longest silent one makes room for the next.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};

use crate::control::client_line::{ClientLine, Step};
use crate::control::door::{Door, Peer};
use crate::control::{Reply, Request};

/// Most clients at once, and most of one user who is not the owner.
const CLIENTS: usize = 64;
const CLIENTS_OF_OTHERS: usize = 16;

/// Answers requests.
pub trait Handler: Send {
    /// Gives the reply to one request.
    fn handle(&mut self, request: Request) -> Reply;

    /// The same, with who asks; nothing where the answer comes later, by [`Late`].
    fn handle_of(&mut self, _asker: Asker, request: Request) -> Option<Reply> {
        Some(self.handle(request))
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The user, as the kernel says.
    pub peer: Peer,
    /// To whom a later answer goes: no two clients have the same.
    pub ticket: u64,
}

/// Answers that come later; readable when there are some.
pub trait Late: AsFd + Send {
    /// Takes them, each with its ticket.
    fn take_late(&mut self) -> Vec<(u64, Reply)>;
}

/// A bound socket.
pub struct Server {
    listener: UnixListener,
    door: Door,
    late: Option<Box<dyn Late>>,
    /// Given up to take a client where no other descriptor is left, so that clients that cannot be
    /// taken do not keep the loop busy.
    reserve: Option<File>,
}

impl Server {
    /// Binds the socket for the owner alone; one left by a daemon that is gone is taken over. The
    /// caller must hold the instance's lock.
    ///
    /// # Errors
    /// Those of the file system, and a file in the way that is no socket of this user's.
    pub fn bind(socket: &Path) -> io::Result<Server> {
        Server::bind_for(socket, false)
    }

    /// Binds the socket; `everybody` may connect where so told, which says nothing yet of what they
    /// may ask.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub fn bind_for(socket: &Path, everybody: bool) -> io::Result<Server> {
        if let Some(dir) = socket.parent().filter(|dir| !dir.is_dir()) {
            std::fs::create_dir_all(dir)?;
            if everybody {
                std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
            }
        }
        let owner = rustix::process::geteuid().as_raw();
        clear(socket, owner)?;
        let listener = at_path(socket, |path| UnixListener::bind(path))?;
        let mode = if everybody { 0o666 } else { 0o600 };
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        Ok(Server {
            listener,
            door: Door { owner },
            late: None,
            reserve: spare(),
        })
    }

    /// The same with answers that come later.
    pub fn with_late(mut self, late: Box<dyn Late>) -> Server {
        self.late = Some(late);
        self
    }

    /// Answers clients for ever.
    pub fn serve(mut self, handler: &mut dyn Handler) {
        let mut clients: Vec<ClientLine> = Vec::new();
        let mut came = 0;
        loop {
            let mut fds = vec![PollFd::new(&self.listener, PollFlags::IN)];
            fds.extend(clients.iter().map(|c| PollFd::new(c, c.wants())));
            fds.extend(self.late.iter().map(|l| PollFd::new(l, PollFlags::IN)));
            let _ = poll(&mut fds, None);
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            let mut served = ready[1..=clients.len()].iter();
            clients.retain_mut(|client| {
                !served.next().is_some_and(|r| *r) || self.serve_one(client, handler)
            });
            self.pass_on_late(&mut clients);
            if ready[0] {
                self.accept(&mut clients, &mut came);
            }
        }
    }

    /// Gives later answers to those who still wait for them.
    fn pass_on_late(&mut self, clients: &mut Vec<ClientLine>) {
        let late = self.late.as_mut().map_or(Vec::new(), |l| l.take_late());
        for (ticket, reply) in late {
            if let Some(at) = clients.iter().position(|c| c.since == ticket) {
                let reply = self.door.veil(clients[at].peer, reply);
                clients[at].reply(&reply);
                if clients[at].go_on() != Step::Waits {
                    clients.remove(at);
                }
            }
        }
    }

    /// Goes on with one client. Says whether it stays.
    fn serve_one(&self, client: &mut ClientLine, handler: &mut dyn Handler) -> bool {
        match client.go_on() {
            Step::Waits => return true,
            Step::Done => return false,
            Step::Garbled => {}
            Step::Asked(request) => {
                let asker = Asker {
                    peer: client.peer,
                    ticket: client.since,
                };
                let reply = match self.door.admits(client.peer, &request) {
                    true => handler.handle_of(asker, *request),
                    false => Some(Reply::Denied),
                };
                let Some(reply) = reply else {
                    client.wait();
                    return true;
                };
                client.reply(&self.door.veil(client.peer, reply));
            }
        }
        // Most take their answer at once.
        client.go_on() == Step::Waits
    }

    /// Takes all who wait at the door.
    fn accept(&mut self, clients: &mut Vec<ClientLine>, came: &mut u64) {
        // Not more at once than are let stay, so that those who are here are served in between.
        for _ in 0..CLIENTS {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.turn_away(clients),
            };
            *came += 1;
            if let Ok(client) = ClientLine::new(stream, *came) {
                self.make_room(clients, &client);
                clients.push(client);
            }
        }
    }

    /// The one who came first goes: of the same user where that one has as many as are allowed.
    fn make_room(&self, clients: &mut Vec<ClientLine>, new: &ClientLine) {
        let of_user = |c: &&ClientLine| c.peer == new.peer;
        let crowd = !self.door.is_master(new.peer)
            && clients.iter().filter(of_user).count() >= CLIENTS_OF_OTHERS;
        if !crowd && clients.len() < CLIENTS {
            return;
        }
        let candidates = clients.iter().filter(|c| !crowd || of_user(c));
        if let Some(first) = candidates.map(|c| c.since).min() {
            clients.retain(|c| c.since != first);
        }
    }

    /// There is no descriptor for another client: the oldest goes, and if there is none, the one at
    /// the door is sent away with the one kept for that.
    fn turn_away(&mut self, clients: &mut Vec<ClientLine>) {
        if let Some(first) = clients.iter().map(|c| c.since).min() {
            clients.retain(|c| c.since != first);
            return;
        }
        if self.reserve.take().is_some() {
            drop(self.listener.accept());
            self.reserve = spare();
            return;
        }
        // Not even that: some other part of the process has them all. Somebody stays at the door.
        std::thread::sleep(std::time::Duration::from_millis(50));
        self.reserve = spare();
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Takes away what a daemon that is gone has left; nothing else.
fn clear(socket: &Path, owner: u32) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(socket) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let shown = socket.display();
    if !found.file_type().is_socket() {
        let text = format!("{shown} is in the way, and is no socket");
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    if found.uid() != owner {
        let text = format!("{shown} belongs to another user: number {}", found.uid());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    // Where somebody listens another daemon has it, with another lock.
    if at_path(socket, |path| UnixStream::connect(path)).is_ok() {
        let text = format!("another daemon listens on {shown}");
        return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
    }
    std::fs::remove_file(socket)
}

/// Calls `f` with a path that names the same socket and is short enough for a socket address
/// (108 bytes, unix(7)): a long one goes through its directory's descriptor.
pub(in crate::control) fn at_path<T>(
    socket: &Path,
    f: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let (Some(dir), Some(name)) = (socket.parent(), socket.file_name()) else {
        return f(socket);
    };
    if socket.as_os_str().len() < 100 {
        return f(socket);
    }
    let dir = File::open(dir)?;
    let short = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string());
    f(&short.join(name))
}
