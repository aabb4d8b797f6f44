//! The asking side.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::control::{ANSWER_MAX, Reply, Request};

/// How long the daemon may take to answer before it counts as not answering.
pub const PATIENCE: Duration = Duration::from_millis(1500);

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no daemon listens on {0}")]
    NotThere(String),
    /// Somebody listens and does not answer.
    #[error("the daemon does not answer")]
    Silent,
    /// The answer was not understood.
    #[error("the daemon's answer was not understood")]
    Garbled,
    /// Anything else.
    #[error("the daemon's socket: {0}")]
    Io(io::Error),
}

/// Asks the daemon.
///
/// # Errors
/// [`ControlError::NotThere`] where no daemon runs, [`ControlError::Silent`] where one hangs.
pub fn ask(socket: &Path, request: &Request) -> Result<Reply, ControlError> {
    ask_within(socket, request, PATIENCE)
}

/// Asks the daemon and waits for the answer no longer than this.
///
/// # Errors
/// As [`ask`].
pub fn ask_within(
    socket: &Path,
    request: &Request,
    patience: Duration,
) -> Result<Reply, ControlError> {
    let stream = connect(socket)?;
    stream
        .set_read_timeout(Some(patience))
        .map_err(ControlError::Io)?;
    send(&stream, request)?;
    let mut line = String::new();
    let limit = ANSWER_MAX as u64;
    match BufReader::new(stream.take(limit)).read_line(&mut line) {
        Ok(0) => Err(ControlError::Silent),
        Ok(_) => serde_json::from_str(&line).map_err(|_| ControlError::Garbled),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ) =>
        {
            Err(ControlError::Silent)
        }
        Err(e) => Err(ControlError::Io(e)),
    }
}

/// Tells the daemon to look again, if there is one. It would notice by itself; this only makes it
/// sure where the file system reports no changes.
pub fn nudge(socket: &Path) {
    if let Ok(stream) = connect(socket) {
        // Nothing depends on it, so nobody waits for the answer or hears of a failure.
        let _ = send(&stream, &Request::Nudge);
    }
}

fn connect(socket: &Path) -> Result<UnixStream, ControlError> {
    let stream = crate::control::server::at_path(socket, |path| UnixStream::connect(path))
        .map_err(|e| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ControlError::NotThere(socket.display().to_string())
            }
            _ => ControlError::Io(e),
        })?;
    stream
        .set_write_timeout(Some(PATIENCE))
        .map_err(ControlError::Io)?;
    Ok(stream)
}

fn send(mut stream: &UnixStream, request: &Request) -> Result<(), ControlError> {
    let mut line = serde_json::to_vec(request).map_err(|_| ControlError::Garbled)?;
    line.push(b'\n');
    stream.write_all(&line).map_err(ControlError::Io)
}
