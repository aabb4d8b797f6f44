//! What the daemon keeps is for its owner alone, and is where it put it.

use std::fs;

use crate::support::instance::Instance;

/// Everything below a directory that others may read or write, as `mode path`.
fn open_to_others(dir: &std::path::Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let meta = entry.metadata().unwrap();
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            found.push(format!("{mode:o} {}", entry.path().display()));
        }
        if meta.is_dir() {
            found.extend(open_to_others(&entry.path()));
        }
    }
    found
}

#[test]
fn nothing_the_daemon_keeps_can_be_read_by_others() {
    let instance = Instance::running();
    let big = "i=0; while [ $i -lt 9000 ]; do echo line $i of a long output; i=$((i+1)); done";
    instance.add("big", big, &[]);
    assert_eq!(instance.outcome("big")["outcome"], "succeeded");
    let home = instance.sandbox.path("home");
    let logs = fs::read_dir(home.join("logs")).unwrap().count();
    assert_eq!(logs, 1, "the output is in a file of its own");
    assert_eq!(open_to_others(&home), Vec::<String>::new());
}

#[test]
fn a_link_in_the_place_of_a_slot_file_is_not_followed() {
    let mut instance = Instance::new();
    let target = instance.sandbox.file("precious", b"mine");
    let slot = instance.sandbox.path("home/spool/slots/1");
    fs::create_dir_all(&slot).unwrap();
    for name in ["ledger", "out"] {
        std::os::unix::fs::symlink(&target, slot.join(name)).unwrap();
    }
    instance.start();
    instance.add("any", "echo over the top", &[]);
    instance.sandbox.run(&["run", "any", "-d"]);
    instance.add("again", "true", &[]);
    instance.sandbox.run(&["run", "again", "-d"]);
    instance.until_sql("(SELECT count(*) FROM run WHERE ended_at IS NOT NULL) = 2");
    assert_eq!(fs::read(&target).unwrap(), b"mine");
}
