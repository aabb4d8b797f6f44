//! The fault suite: what may go wrong with the machine, the disk, the jobs and our own processes,
//! done for real. `docs/faults.md` lists all faults and the test that holds each.

mod boots;
mod crash;
mod disk;
mod image;
mod lateness;
mod namespace;
mod output;
mod planted;
mod power;
mod recording;
mod recovered;
mod slots;
mod soak;
mod starts;
mod table;

use std::path::Path;

/// Whether the machine offers what a test needs. Says loudly that the test was skipped where it does
/// not; in CI as root, where it should, that is a failure.
pub fn offered(what: &str, there: bool) -> bool {
    if there {
        return true;
    }
    let should = std::env::var_os("CI").is_some() && is_root();
    assert!(!should, "CI should offer {what}");
    eprintln!("SKIPPED: this machine does not offer {what}");
    false
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether file systems can be made and mounted on disks of our own making.
pub fn disks() -> bool {
    let devices = ["/dev/fuse", "/dev/loop-control"];
    let there = is_root()
        && devices.iter().all(|d| Path::new(d).exists())
        && Path::new("/usr/sbin/mkfs.ext4").exists();
    offered("root, /dev/fuse, loop devices and mkfs.ext4", there)
}
