//! Telling a service manager how the daemon is, as sd_notify(3) does it.
//!
//! Only the guardian speaks: it is the process the service manager knows, and it passes on what the
//! firing loop proves. The variables never reach the core, so no worker and no job finds them.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What a service manager puts into the environment of its services.
pub const VARIABLES: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// The line to a service manager; without one nothing is said.
#[derive(Debug, Default)]
pub struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog_ms: Option<i64>,
}

impl Notifier {
    /// Reads the variables by their names. `pid` is this process: a watchdog meant for another one is
    /// none of ours.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
        pid: i32,
    ) -> Notifier {
        let Some(socket) = variable("NOTIFY_SOCKET").filter(|v| !v.is_empty()) else {
            return Notifier::default();
        };
        let number = |name: &str| variable(name)?.to_str()?.parse::<i64>().ok();
        let ours = number("WATCHDOG_PID").is_none_or(|p| p == i64::from(pid));
        Notifier {
            to: address(&socket).and_then(|a| Some((UnixDatagram::unbound().ok()?, a))),
            watchdog_ms: number("WATCHDOG_USEC")
                .filter(|us| ours && *us > 0)
                .map(|us| (us / 1000).max(1)),
        }
    }

    /// Whether there is a service manager, which starts the daemon again by itself.
    pub fn is_there(&self) -> bool {
        self.to.is_some()
    }

    /// How often the watchdog wants to be told at least, milliseconds: half of what it waits for.
    pub fn every_ms(&self) -> Option<i64> {
        self.watchdog_ms.map(|ms| (ms / 2).max(1))
    }

    /// Says something, such as `READY=1`. A service manager that does not listen loses it.
    pub fn say(&self, text: &str) {
        if let Some((socket, to)) = &self.to {
            // It must never keep the guardian waiting.
            let _ = socket.set_nonblocking(true);
            let _ = socket.send_to_addr(text.as_bytes(), to);
        }
    }
}

/// A path, or after an `@` an abstract name (unix(7)).
fn address(socket: &OsStr) -> Option<SocketAddr> {
    match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
        [b'/', ..] => SocketAddr::from_pathname(socket).ok(),
        _ => None,
    }
}
