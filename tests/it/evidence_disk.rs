//! A job the kernel holds because its disk does not answer. This needs root and a loop device.

use std::path::Path;

use crate::evidence_states::worker_of;
use crate::process_stuck::Frozen;
use crate::support::facility;
use crate::support::instance::Instance;
use crate::support::wait::within;

#[test]
fn a_job_whose_disk_does_not_answer_is_in_disk_wait() {
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
    let file = frozen.at.join("file").display().to_string();
    let line = format!("sh -c 'echo x > {file}; :'; true");
    instance.add("writes", &line, &[]);
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
    frozen.thaw();
    instance.succeeded("writes", 1);
    instance
        .until_sql("(SELECT count(*) FROM event WHERE kind = 'disk_wait' AND job = 'writes') = 1");
}
