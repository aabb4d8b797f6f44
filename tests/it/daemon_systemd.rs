//! The daemon under a service manager that is told how it is, as sd_notify(3) does it.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::instance::{Instance, end_of, is_alive, signal};
use crate::support::wait::{PATIENCE_MS, mono, until};

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn new(socket: UnixDatagram) -> Manager {
        Manager { socket }
    }

    /// The next thing said within this time.
    fn hear(&self, ms: i64) -> Option<String> {
        let patience = Duration::from_millis(ms.unsigned_abs());
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = [0_u8; 1024];
        let n = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..n]).into_owned())
    }

    /// Listens until something is said that holds these words.
    #[track_caller]
    fn until(&self, words: &str) -> String {
        let end = mono() + PATIENCE_MS;
        while mono() < end {
            match self.hear(PATIENCE_MS) {
                Some(said) if said.contains(words) => return said,
                _ => {}
            }
        }
        panic!("{words} was not said");
    }
}

fn start(instance: &Instance, socket: &str, watchdog_ms: i64) -> Child {
    instance
        .daemon_command()
        .env("NOTIFY_SOCKET", socket)
        .env("WATCHDOG_USEC", (watchdog_ms * 1000).to_string())
        .env("LISTEN_FDS", "0")
        .spawn()
        .unwrap()
}

#[test]
fn a_service_manager_is_told_that_time_is_kept_and_that_it_ends() {
    let instance = Instance::new();
    let path = instance.sandbox.path("notify");
    let manager = Manager::new(UnixDatagram::bind(&path).unwrap());
    let mut daemon = start(&instance, path.to_str().unwrap(), 1_000);
    let said = manager.until("READY=1");
    assert!(said.contains("STATUS=keeping time"), "{said}");
    assert!(instance.core().is_some(), "it is ready when it says so");
    let began = mono();
    for _ in 0..4 {
        manager.until("WATCHDOG=1");
    }
    println!("told four times in {} ms", mono() - began);
    instance.add("env", "env", &[]);
    let run = instance.request("env");
    assert_eq!(instance.ended(run)["state"], "succeeded");
    let env = instance.sandbox.ok(&["logs", "env"]).stdout;
    for name in ["NOTIFY_SOCKET", "WATCHDOG", "LISTEN_"] {
        assert!(!env.contains(name), "{env}");
    }
    let core = instance.core().unwrap();
    let environ = std::fs::read(format!("/proc/{core}/environ")).unwrap();
    let environ = String::from_utf8_lossy(&environ);
    assert!(!environ.contains("NOTIFY_SOCKET"), "{environ}");
    signal(i32::try_from(daemon.id()).unwrap(), Signal::TERM);
    manager.until("STOPPING=1");
    assert_eq!(end_of(&mut daemon), 0);
}

#[test]
fn the_watchdog_is_fed_by_the_firing_loop_alone() {
    let instance = Instance::new();
    let name = instance.sandbox.path("abstract").display().to_string();
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager::new(UnixDatagram::bind_addr(&address).unwrap());
    let mut daemon = start(&instance, &format!("@{name}"), 1_000);
    manager.until("READY=1");
    manager.until("WATCHDOG=1");
    let core = instance.core().unwrap();
    signal(core, Signal::STOP);
    // What was said before it stood still may still be on its way.
    while let Some(said) = manager.hear(1) {
        assert!(said.contains("WATCHDOG"), "{said}");
    }
    let mut late = 0;
    while manager.hear(1_500).is_some() {
        late += 1;
        assert!(late <= 1, "the watchdog is fed while the loop stands still");
    }
    signal(core, Signal::CONT);
    manager.until("WATCHDOG=1");
    signal(i32::try_from(daemon.id()).unwrap(), Signal::TERM);
    assert_eq!(end_of(&mut daemon), 0);
}

#[test]
fn a_core_whose_guardian_is_gone_leaves_its_place_to_the_service_manager() {
    let mut instance = Instance::new();
    let path = instance.sandbox.path("notify");
    let manager = Manager::new(UnixDatagram::bind(&path).unwrap());
    let mut daemon = start(&instance, path.to_str().unwrap(), 1_000);
    manager.until("READY=1");
    let core = instance.core().unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    until("the core ends", || (!is_alive(core)).then_some(()));
    instance.start();
    assert_eq!(instance.stop(), 0);
}
