//! The answering side: a thread that takes one client after the other, none for long.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use crate::control::{LINE_MAX, Reply, Request};

/// How long one client may take to say what it wants.
const PATIENCE: Duration = Duration::from_millis(500);

/// Answers requests.
pub trait Handler: Send {
    /// Gives the reply to one request.
    fn handle(&mut self, request: Request) -> Reply;
}

/// A bound socket.
pub struct Server {
    listener: UnixListener,
}

impl Server {
    /// Binds the socket; one left by a daemon that is gone is taken over. The caller must hold the
    /// instance's lock.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn bind(socket: &Path) -> io::Result<Server> {
        if let Some(dir) = socket.parent() {
            std::fs::create_dir_all(dir)?;
        }
        match std::fs::remove_file(socket) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = at_path(socket, |path| UnixListener::bind(path))?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
        Ok(Server { listener })
    }

    /// Answers clients for ever.
    pub fn serve(&self, handler: &mut dyn Handler) {
        for stream in self.listener.incoming() {
            match stream {
                // A client that goes away or talks nonsense is its own affair.
                Ok(stream) => drop(answer(stream, handler)),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

fn answer(stream: UnixStream, handler: &mut dyn Handler) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(LINE_MAX as u64)).read_line(&mut line)?;
    let reply = match serde_json::from_str(&line) {
        Ok(request) => handler.handle(request),
        Err(e) => Reply::Refused(e.to_string()),
    };
    let mut line = serde_json::to_vec(&reply)?;
    line.push(b'\n');
    (&stream).write_all(&line)
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
