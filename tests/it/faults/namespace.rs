//! A mount namespace of the test's own, so that no mount outlives it or is pinned by a stranger.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Signal, kill_process};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::support::instance::processes_that_name;
use crate::support::wait::{PATIENCE_MS, mono, until};

/// Runs `body` on a thread with mounts of its own. Processes it starts see them as well; they are
/// gone when the last of those ends.
pub fn apart<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            #[expect(
                unsafe_code,
                reason = "only shared file descriptors would be unsafe to part with"
            )]
            // SAFETY: The table of open files stays shared.
            let parted = unsafe { unshare_unsafe(UnshareFlags::NEWNS) };
            parted.expect("a mount namespace");
            mount(&["--make-rprivate", "/"]).expect("private mounts");
            leave_to_others();
            body()
        });
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Takes away what other tests had mounted when this namespace began: it would live on here.
fn leave_to_others() {
    let mounts = std::fs::read_to_string("/proc/thread-self/mounts").unwrap_or_default();
    let at = mounts.lines().filter_map(|l| l.split(' ').nth(1));
    let temporary = std::env::temp_dir();
    for at in at.filter(|at| Path::new(at).starts_with(&temporary)) {
        // One that is gone already is just as well.
        let _ = finished(Command::new("/usr/bin/umount").args(["-l", at]));
    }
}

/// `mount ARGS`, in the namespace of the calling thread.
///
/// # Errors
/// What `mount` said.
pub fn mount(args: &[&str]) -> Result<(), String> {
    finished(Command::new("/usr/bin/mount").args(args))
}

/// A file system in a file, in use. It is taken away with everybody who uses it: a thread that ended
/// with such a mount of its own would wait for ever for the disk that this very process serves.
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Mounts the file system in `file`.
    ///
    /// # Errors
    /// What `mount` said, but for want of a loop device: others take and leave them all the time.
    pub fn new(file: &Path, at: &Path) -> Result<Mounted, String> {
        let args = ["-o", "loop", named(file), named(at)];
        until("a loop device is free", || {
            let mounted = mount(&args);
            let busy = matches!(&mounted, Err(why) if why.contains("loop device"));
            (!busy).then_some(mounted)
        })?;
        Ok(Mounted { at: at.to_owned() })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let last = mono() + PATIENCE_MS;
        while mono() < last {
            let using = processes_that_name(named(&self.at));
            for pid in &using {
                let _ = kill_process(*pid, Signal::KILL);
            }
            if using.is_empty() && finished(Command::new("/usr/bin/umount").arg(&self.at)).is_ok() {
                return;
            }
        }
        eprintln!("{} stays mounted", self.at.display());
    }
}

fn named(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Runs a command that must end with 0.
///
/// # Errors
/// What it said otherwise.
pub fn finished(command: &mut Command) -> Result<(), String> {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = output.output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Makes the processes of this namespace believe in another boot of the host.
pub fn another_boot(file: &Path) {
    std::fs::write(file, "11111111-2222-4333-8444-555555555555\n").expect("a boot id");
    mount(&["--bind", named(file), "/proc/sys/kernel/random/boot_id"]).expect("another boot id");
}
