//! A job the kernel holds because its disk does not answer. This needs root and a loop device.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::evidence_states::worker_of;
use crate::support::instance::Instance;
use crate::support::wait::within;

/// A small ext4 of its own; thawed and taken away in the end.
struct Disk {
    at: PathBuf,
}

impl Disk {
    fn over(image: &Path, at: PathBuf) -> Result<Disk, String> {
        let run = |program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            let output = command.args(args).stdin(Stdio::null()).output();
            match output {
                Ok(output) if output.status.success() => Ok(()),
                Ok(output) => Err(format!(
                    "{program}: {}",
                    String::from_utf8_lossy(&output.stderr)
                )),
                Err(e) => Err(format!("{program}: {e}")),
            }
        };
        let file = std::fs::File::create(image).map_err(|e| e.to_string())?;
        file.set_len(16 << 20).map_err(|e| e.to_string())?;
        std::fs::create_dir(&at).map_err(|e| e.to_string())?;
        let (image, there) = (image.to_str().unwrap(), at.to_str().unwrap());
        run("mkfs.ext4", &["-q", image])?;
        run("mount", &["-o", "loop", image, there])?;
        Ok(Disk { at })
    }

    fn freeze(&self, how: &str) -> bool {
        let mut command = Command::new("fsfreeze");
        command.arg(how).arg(&self.at).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.freeze("-u");
        let mut command = Command::new("umount");
        let _ = command.arg("-l").arg(&self.at).status();
    }
}

#[test]
fn a_job_whose_disk_does_not_answer_is_in_disk_wait() {
    let instance = Instance::running();
    let image = instance.sandbox.path("image");
    let disk = match Disk::over(&image, instance.sandbox.path("disk")) {
        Ok(disk) => disk,
        Err(why) => {
            let root = rustix::process::getuid().is_root();
            assert!(!root || std::env::var_os("CI").is_none(), "{why}");
            return eprintln!("SKIPPED: no disk of our own can be mounted: {why}");
        }
    };
    assert!(disk.freeze("-f"), "it can be frozen");
    instance.add("writes", "sh -c 'echo x > disk/file; :'; true", &[]);
    instance.request("writes");
    let row = within(11_000 + 8_000, "it is in disk wait", || {
        worker_of(&instance, "writes").filter(|row| row["state"] == "disk_wait")
    });
    let words = row["evidence"].as_str().unwrap();
    assert!(words.contains("in disk wait, wchan "), "{row}");
    // Its worker is none the worse for it.
    assert!(row["beat_age_ms"].as_i64().unwrap() < 5_000, "{row}");
    let list = instance.status()["attention"].clone();
    let listed = |a: &serde_json::Value| a["kind"] == "disk_wait" && a["level"] == "urgent";
    assert!(list.as_array().unwrap().iter().any(listed), "{list}");
    assert!(disk.freeze("-u"), "it can be thawed");
    instance.succeeded("writes", 1);
    instance
        .until_sql("(SELECT count(*) FROM event WHERE kind = 'disk_wait' AND job = 'writes') = 1");
}
