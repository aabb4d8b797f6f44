//! What hangs in the kernel or in a look-up hangs alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::facility;
use crate::support::instance::{Instance, signal};
use crate::support::wait::until;

fn done(program: &str, args: &[&str]) -> bool {
    let output = Command::new(program).args(args).output();
    output.is_ok_and(|o| o.status.success())
}

/// A file system that can be made to stand still, and that goes on when the test is over.
pub struct Frozen {
    pub at: PathBuf,
}

impl Frozen {
    /// One in the sandbox, standing still; none where there is no loop device.
    pub fn under(instance: &Instance) -> Option<Frozen> {
        let image = instance.sandbox.path("image");
        let at = instance.sandbox.path("disk");
        std::fs::create_dir(&at).unwrap();
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(16 << 20).unwrap();
        let (image, place) = (image.to_str().unwrap(), at.to_str().unwrap());
        let made =
            done("mkfs.ext4", &["-q", "-F", image]) && done("mount", &["-o", "loop", image, place]);
        let frozen = made.then_some(Frozen { at: at.clone() })?;
        done("fsfreeze", &["-f", place]).then_some(frozen)
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        done("fsfreeze", &["-u", self.at.to_str().unwrap()]);
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.thaw();
        let place = self.at.to_str().unwrap().to_owned();
        until("the disk is let go", || {
            done("umount", &[&place]).then_some(())
        });
    }
}

#[test]
fn what_the_kernel_does_not_let_die_is_named_and_the_schedule_goes_on() {
    let there = Path::new("/dev/loop-control").exists() && Path::new("/usr/sbin/fsfreeze").exists();
    if !facility::root() || !facility::is_there("file system that can be frozen", there) {
        return;
    }
    let instance = Instance::running();
    let frozen = Frozen::under(&instance);
    if !facility::is_there("loop device", frozen.is_some()) {
        return;
    }
    let frozen = frozen.unwrap();
    instance.add("tick", "true", &["-s", "every 1s"]);
    let flags = [
        "add",
        "stuck",
        "--timeout",
        "500ms",
        "--kill-grace",
        "200ms",
    ];
    let file = format!("of={}", frozen.at.join("file").display());
    let what = ["--", "/bin/dd", "if=/dev/zero", &file, "count=1"];
    instance.sandbox.ok(&[&flags[..], &what].concat());
    let run = instance.request("stuck");
    let row = instance.ended(run);
    assert_eq!(row["outcome"], "timed_out", "{row}");
    let reason = row["reason"].as_str().unwrap();
    let named = format!("unkillable: pid {} state D wchan ", row["pid"]);
    assert!(reason.contains(&named), "{reason} {row}");
    let told = instance.told("kill", run);
    let last = told.last().unwrap();
    assert_eq!(last["level"], "error", "{told:?}");
    assert!(
        last["text"].as_str().unwrap().starts_with(&named),
        "{told:?}"
    );
    // Its slot is given up, and others start as ever.
    instance.add("after", "true", &[]);
    assert_eq!(instance.outcome("after")["outcome"], "succeeded");
    let before = instance.cell::<i64>("SELECT count(*) FROM run WHERE job = 'tick'");
    instance.succeeded("tick", before.unwrap() + 2);
    let late = instance.cell::<i64>("SELECT max(late_ms) FROM fire");
    assert!(late.unwrap() < 1_000, "{late:?}");
    frozen.thaw();
}

#[test]
fn what_a_dead_worker_left_behind_holds_up_no_start() {
    let there = Path::new("/dev/loop-control").exists() && Path::new("/usr/sbin/fsfreeze").exists();
    if !facility::root() || !facility::is_there("file system that can be frozen", there) {
        return;
    }
    let instance = Instance::running();
    let frozen = Frozen::under(&instance);
    if !facility::is_there("loop device", frozen.is_some()) {
        return;
    }
    let frozen = frozen.unwrap();
    let file = format!("of={}", frozen.at.join("file").display());
    let what = ["--", "/bin/dd", "if=/dev/zero", &file, "count=1"];
    instance
        .sandbox
        .ok(&[&["add", "stuck"][..], &what].concat());
    let run = instance.request("stuck");
    let stat = until("it waits for the disk", || {
        let pid = instance.sandbox.items(&["ps"])[0]["pid"].as_i64()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.contains(") D ").then_some(stat)
    });
    let worker = stat
        .split(") D ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    signal(worker.parse().unwrap(), Signal::KILL);
    // The kernel keeps what is left for as long as the disk stands still.
    for _ in 0..3 {
        instance.add("after", "true", &["--replace"]);
        assert_eq!(instance.outcome("after")["outcome"], "succeeded");
    }
    let longest = "SELECT max(started_at - claimed_at) FROM attempt WHERE run > 1";
    let longest = instance.cell::<i64>(longest).unwrap();
    assert!(longest < 2_000, "a start was held up for {longest} ms");
    let row = instance.ended(run);
    assert_eq!(row["outcome"], "lost", "{row}");
    let reason = row["reason"].as_str().unwrap();
    assert!(reason.contains("of it is still alive"), "{reason}");
}

#[test]
fn a_list_of_users_that_hangs_holds_up_nobody_but_the_job_that_needs_it() {
    let there = Path::new("/usr/bin/nsenter").exists() && Path::new("/usr/bin/unshare").exists();
    if !facility::root() || !facility::is_there("namespace tool", there) {
        return;
    }
    let mut instance = Instance::new();
    let plain = instance.daemon_command();
    let mut command = Command::new("unshare");
    command
        .arg("-m")
        .arg(plain.get_program())
        .args(plain.get_args());
    command
        .env_clear()
        .current_dir(plain.get_current_dir().unwrap());
    command.envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    instance.start_by(command);
    // Whoever opens a pipe that nobody writes to waits for ever.
    let pipe = instance.gate("passwd");
    let core = instance.core().unwrap().to_string();
    let bind = [
        "-t",
        &core,
        "-m",
        "mount",
        "--bind",
        pipe.to_str().unwrap(),
        "/etc/passwd",
    ];
    assert!(done("nsenter", &bind));
    let flags = [
        "--user",
        "nobody",
        "--timeout",
        "700ms",
        "--kill-grace",
        "100ms",
    ];
    instance.add("theirs", "true", &flags);
    let run = instance.request("theirs");
    instance.add("ours", "true", &[]);
    assert_eq!(instance.outcome("ours")["outcome"], "succeeded");
    let row = instance.ended(run);
    assert_eq!(row["outcome"], "timed_out", "{row}");
    let reason = row["reason"].as_str().unwrap();
    assert_eq!(
        reason,
        "timeout; it ran longer than 700ms, and was still being prepared"
    );
}
