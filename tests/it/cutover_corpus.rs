//! Cutover and rollback: the file is changed by marks alone, and each entry is live in one place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crake::crontab::{Dialect, Format, Table, put_marks};
use serde_json::Value;

use crate::support::corpus::corpus;
use crate::support::facility::is_there;
use crate::support::instance::Instance;
use crate::support::sandbox::Sandbox;

/// A copy of a table in a sandbox, imported as one that cron reads.
fn observed(sandbox: &Sandbox, bytes: &[u8], dialect: &str, format: &str) -> PathBuf {
    let path = sandbox.file("table", bytes);
    let shown = path.display().to_string();
    let args = [
        "import",
        &shown,
        "--observe",
        "--dialect",
        dialect,
        "--format",
        format,
        "--days",
        "0",
    ];
    sandbox.run(&args);
    path
}

/// Each job that was imported is live in the file or in the store, never in both or none.
fn live_once(sandbox: &Sandbox, path: &Path, when: &str) {
    let bytes = std::fs::read(path).expect("the table");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let store = rusqlite::Connection::open(sandbox.store()).expect("the store");
    for job in sandbox.items(&["list"]) {
        let name = job["name"].as_str().expect("a name");
        let marked = text
            .lines()
            .any(|line| line.starts_with("#crake:") && line.ends_with(&format!("/opt/{name}")));
        let in_cron = text
            .lines()
            .any(|line| !line.starts_with('#') && line.ends_with(&format!("/opt/{name}")));
        assert_ne!(marked, in_cron, "{when}: {name} in {text}");
        // What was settled counts from the next minute on, for cron as for us.
        let paused: bool = store
            .query_row(
                "SELECT EXISTS(SELECT 1 FROM pause, (SELECT (unixepoch() / 60 + 1) * 60000 AS at)
                 WHERE job = ?1 AND from_at <= at AND (until_at IS NULL OR until_at > at))",
                [name],
                |row| row.get(0),
            )
            .expect("the pauses");
        let in_crake = !paused;
        assert_ne!(in_crake, in_cron, "{when}: {name} in {text}");
    }
}

#[test]
fn cutover_and_rollback_of_every_file_are_byte_identical() {
    let files = corpus();
    let mut taken = 0;
    let asks = Path::new("/etc/debian_version").exists() && Path::new("/usr/bin/crontab").exists();
    for (number, file) in files.iter().enumerate() {
        let dialects = ["debian", "cronie"];
        // Half of them as each cron: the bytes are the same, and a test has its time.
        for dialect in dialects.into_iter().skip(number % 2).step_by(2) {
            let sandbox = Sandbox::new();
            let path = observed(&sandbox, &file.bytes, dialect, &file.format);
            let jobs = sandbox.items(&["list"]).len();
            let done = sandbox.items(&["cutover"]);
            let cut = std::fs::read(&path).expect("the table");
            assert!(
                !asks || !accepted(&file.bytes) || accepted(&cut),
                "{}",
                file.name
            );
            let marks = cut
                .split(|b| *b == b'\n')
                .filter(|l| l.starts_with(b"#crake:"))
                .count();
            assert_eq!(marks, jobs, "{}: {done:?}", file.name);
            let doctor = sandbox.run(&["doctor", "--json"]).json();
            let cron = doctor["items"]
                .as_array()
                .unwrap()
                .iter()
                .find(|i| i["check"] == "cron")
                .unwrap()
                .clone();
            assert_ne!(cron["state"], "fail", "{}: {cron}", file.name);
            let shown = path.display().to_string();
            let args = [
                "import",
                &shown,
                "--json",
                "--dialect",
                dialect,
                "--format",
                &file.format,
                "--days",
                "0",
            ];
            let again = sandbox.run(&args).json()["item"].clone();
            let changed = again["jobs"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|j| j["action"] == "changed" || j["action"] == "added")
                .count();
            assert_eq!(changed, 0, "{}: {again}", file.name);
            sandbox.ok(&["rollback"]);
            assert_eq!(
                std::fs::read(&path).expect("the table"),
                file.bytes,
                "{}",
                file.name
            );
            taken += marks;
        }
    }
    eprintln!(
        "{} tables, {taken} entries taken over and given back",
        files.len()
    );
}

/// Whether Debian's `crontab` takes a table.
fn accepted(bytes: &[u8]) -> bool {
    let mut child = std::process::Command::new("/usr/bin/crontab")
        .args(["-n", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("crontab");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A table of which it reads no further than it must may leave the pipe closed.
    let _ = std::io::Write::write_all(&mut stdin, bytes);
    drop(stdin);
    child.wait().expect("its end").success()
}

#[test]
fn cutover_writes_what_the_crontab_of_this_host_accepts() {
    let debian = Path::new("/etc/debian_version").exists();
    if !is_there(
        "crontab of Debian",
        debian && Path::new("/usr/bin/crontab").exists(),
    ) {
        return;
    }
    let (mut tables, mut entries) = (0, 0);
    for file in corpus() {
        if !accepted(&file.bytes) {
            continue;
        }
        for dialect in Dialect::ALL {
            let Ok(format) = file.format.parse::<Format>() else {
                continue;
            };
            let table = Table::parse(&file.bytes, dialect, format);
            let ids: BTreeMap<usize, String> = table
                .live_entries()
                .map(|(line, _)| (line.number, format!("{:08x}", line.number)))
                .collect();
            let after = put_marks(&file.bytes, &ids);
            assert!(accepted(&after), "{} by {dialect}", file.name);
            // One job after the other, too.
            let first = ids.into_iter().take(1).collect();
            assert!(accepted(&put_marks(&file.bytes, &first)), "{}", file.name);
            tables += 1;
            entries += table.live_entries().count();
        }
    }
    eprintln!("{tables} tables, {entries} entries taken over and accepted");
}

const TABLE: &[u8] = b"# head\nA=1\n1 1 * * * /opt/a\n\n2 2 * * * /opt/b\r\n@daily /opt/c\n";
const POINTS: [&str; 6] = [
    "cutover planned",
    "cutover backed up",
    "cutover noted",
    "cutover staged",
    "cutover installed",
    "cutover settled",
];

#[test]
fn cutover_killed_at_any_point_leaves_each_entry_live_in_one_place() {
    let table: &[u8] = b"1 1 * * * /opt/a\n\n@daily /opt/b\n2 2 * * * /opt/c\n";
    for verb in ["cutover", "rollback"] {
        for point in POINTS {
            let sandbox = Sandbox::new();
            let path = observed(&sandbox, table, "debian", "user");
            if verb == "rollback" {
                sandbox.ok(&["cutover"]);
            }
            let armed = sandbox.file("armed", b"");
            let told = format!("{point}:1:{}", armed.display());
            let died = sandbox.run_with("CRAKE_CRASH", &told, &[verb]);
            if verb == "rollback" && (point == "cutover planned" || point == "cutover backed up") {
                assert!(armed.exists(), "{point} is not passed");
            } else {
                assert!(!armed.exists() && died.code != 0, "{point}: {died:?}");
            }
            let doctor = sandbox.run(&["doctor", "--json"]).json();
            let cron = doctor["items"]
                .as_array()
                .unwrap()
                .iter()
                .find(|i| i["check"] == "cron")
                .unwrap()
                .clone();
            assert_ne!(cron["state"], "fail", "{verb} {point}: {cron}");
            live_once(&sandbox, &path, &format!("{verb} {point}"));
            // Whatever was begun, the next try ends it.
            sandbox.ok(&["cutover"]);
            live_once(&sandbox, &path, &format!("{verb} {point}, then cutover"));
            sandbox.ok(&["rollback"]);
            assert_eq!(std::fs::read(&path).unwrap(), table, "{verb} {point}");
        }
    }
}

#[test]
fn cutover_that_died_is_ended_by_the_daemon() {
    let instance = Instance::running();
    let sandbox = &instance.sandbox;
    let path = observed(sandbox, b"1 1 * * * /opt/a\n", "debian", "user");
    let armed = sandbox.file("armed", b"");
    let told = format!("cutover installed:1:{}", armed.display());
    sandbox.run_with("CRAKE_CRASH", &told, &["cutover"]);
    assert!(!armed.exists());
    instance.until_sql("EXISTS(SELECT 1 FROM pause WHERE job = 'a' AND until_at IS NOT NULL)");
    live_once(sandbox, &path, "after the daemon looked");
}

#[test]
fn cutover_changes_marks_alone_and_rollback_needs_no_store() {
    let sandbox = Sandbox::new();
    let path = observed(&sandbox, TABLE, "debian", "user");
    let dry = sandbox.ok(&["cutover", "-n"]);
    assert!(dry.stdout.contains("+#crake:"), "{dry:?}");
    assert_eq!(std::fs::read(&path).unwrap(), TABLE);
    sandbox.ok(&["cutover", "--job", "a"]);
    let one = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(one.matches("#crake:").count(), 1);
    sandbox.ok(&["cutover"]);
    let cut = std::fs::read(&path).unwrap();
    let text = String::from_utf8(cut.clone()).unwrap();
    assert_eq!(text.matches("#crake:").count(), 3);
    // By hand, as the manual says.
    let sed = std::process::Command::new("sed")
        .arg("s/^#crake:[0-9a-f]*: //")
        .arg(&path)
        .output()
        .expect("sed");
    assert_eq!(sed.stdout, TABLE);
    std::fs::remove_file(sandbox.store()).unwrap();
    sandbox.ok(&["rollback"]);
    assert_eq!(std::fs::read(&path).unwrap(), TABLE);
    // An edited file keeps the edit.
    std::fs::write(&path, [b"# edited\n".as_slice(), &cut].concat()).unwrap();
    sandbox.ok(&["rollback", &path.display().to_string()]);
    assert_eq!(
        std::fs::read(&path).unwrap(),
        [b"# edited\n".as_slice(), TABLE].concat()
    );
}

#[test]
fn cutover_of_a_changed_table_is_refused_and_packages_stay_with_cron() {
    let sandbox = Sandbox::new();
    let path = observed(&sandbox, TABLE, "debian", "user");
    std::fs::write(&path, b"1 1 * * * /opt/other\n").unwrap();
    let refused = sandbox.run(&["cutover", "--json"]);
    assert_eq!(refused.code, 8, "{refused:?}");
    if !crate::support::facility::root() {
        return;
    }
    let sandbox = Sandbox::new();
    let table = sandbox
        .file("root/etc/cron.d/tool", b"1 1 * * * root /opt/tool\n")
        .display()
        .to_string();
    sandbox.file(
        "root/var/lib/dpkg/info/tool.list",
        b"/.\n/etc/cron.d/tool\n",
    );
    let root = sandbox.path("root").display().to_string();
    sandbox.ok(&["import", &table, "--root", &root]);
    let left: Vec<Value> = sandbox.items(&["cutover", "--root", &root]);
    assert!(
        left[0]["skipped"]
            .as_str()
            .unwrap()
            .contains("package tool"),
        "{left:?}"
    );
    sandbox.ok(&["cutover", "--root", &root, "--include-packaged"]);
    assert!(
        std::fs::read_to_string(&table)
            .unwrap()
            .starts_with("#crake:")
    );
    sandbox.ok(&["rollback", "--root", &root]);
    assert_eq!(
        std::fs::read(&table).unwrap(),
        b"1 1 * * * root /opt/tool\n"
    );
}
