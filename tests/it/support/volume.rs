//! A small file system of its own under a home, to be filled, frozen and broken.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::wait::until;

/// An ext4 file system in a file, mounted.
pub struct Volume {
    image: PathBuf,
    at: PathBuf,
}

/// Why there can be none here; nothing where there can.
pub fn unavailable() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can mount".to_owned());
    }
    let tools = ["mkfs.ext4", "mount", "umount", "fsfreeze", "e2fsck"];
    let missing = tools.iter().find(|tool| {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output();
        !found.is_ok_and(|o| o.status.success())
    });
    if let Some(tool) = missing {
        return Some(format!("there is no {tool}"));
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("there are no loop devices".to_owned());
    }
    None
}

/// Says loudly that a test cannot be made here; where it should be possible, it fails.
pub fn skipped() -> bool {
    let Some(why) = unavailable() else {
        return false;
    };
    assert!(std::env::var_os("CI").is_none(), "cannot be tested: {why}");
    eprintln!("SKIPPED: {why}");
    true
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect(program);
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

impl Volume {
    /// Makes one of so many MiB in the file `image` and mounts it.
    pub fn mounted(image: &Path, at: &Path, mebibytes: u64) -> Volume {
        let file = File::create(image).expect("an image");
        file.set_len(mebibytes << 20).expect("its length");
        let image = image.to_owned();
        let name = image.to_str().expect("a name");
        run("mkfs.ext4", &["-q", "-F", "-m", "0", name]);
        std::fs::create_dir_all(at).expect("a directory");
        let volume = Volume {
            image,
            at: at.to_owned(),
        };
        volume.mount();
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(at, mode).expect("its mode");
        volume
    }

    fn place(&self) -> &str {
        self.at.to_str().expect("a name")
    }

    pub fn mount(&self) {
        let image = self.image.to_str().expect("a name");
        run("mount", &["-o", "loop", image, self.place()]);
    }

    /// Nothing is written to it until it is thawed; whoever tries waits.
    pub fn freeze(&self) {
        run("fsfreeze", &["-f", self.place()]);
    }

    pub fn thaw(&self) {
        run("fsfreeze", &["-u", self.place()]);
    }

    /// What the kernel does after an error it cannot go on with: it is read-only from now on.
    pub fn abort(&self) {
        // The mount itself may be refused; what counts is that the file system has given up.
        let args = ["-o", "remount,abort", self.place()];
        let _ = Command::new("mount").args(args).output();
        let refused = File::create(self.at.join("probe"));
        assert!(refused.is_err(), "it can still be written");
    }

    /// Unmounts it, which succeeds once nobody has a file open on it.
    pub fn unmounts(&self) -> bool {
        let unmounted = Command::new("umount").arg(self.place()).output();
        unmounted.is_ok_and(|o| o.status.success())
    }

    /// Repairs it where it is not mounted, and mounts it.
    pub fn repair(&self) {
        let image = self.image.to_str().expect("a name");
        // The broken one may live on for a moment in somebody's mount namespace, and whoever mounts
        // the same image meanwhile is given that one again.
        until("it is mounted for writing", || {
            // Code 1 says that something was mended.
            let mended = Command::new("e2fsck").args(["-fy", image]).output();
            assert!(mended.expect("e2fsck").status.code() < Some(4));
            self.mount();
            let writable = File::create(self.at.join("probe")).is_ok();
            if !writable {
                self.unmounts();
            }
            writable.then_some(())
        });
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut file = File::create(self.at.join("ballast-of-a-stranger")).expect("a file");
        for size in [1 << 20, 4096, 512, 1] {
            let bytes = vec![7_u8; size];
            while file.write_all(&bytes).is_ok() {}
        }
        // What was taken on trust is now asked for.
        let _ = file.sync_all();
    }

    pub fn make_room(&self) {
        std::fs::remove_file(self.at.join("ballast-of-a-stranger")).expect("it was there");
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        for (program, args) in [
            ("fsfreeze", ["-u", self.place()]),
            ("umount", ["-l", self.place()]),
        ] {
            let _ = Command::new(program).args(args).output();
        }
    }
}
