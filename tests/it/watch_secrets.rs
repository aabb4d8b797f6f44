//! The password of a source is in one column of the store and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::support::servers::{Kind, PASSWORD, shared};
use crate::support::shops::{Engine, Shop};

/// A part of the password that no way of writing it changes.
const PART: &str = "s3cr3t";

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(PART.len()).any(|w| w == PART.as_bytes())
}

/// Where in /proc the password is, among what belongs to a sandbox. What a command of a source is
/// given is left out: the password, on purpose.
fn in_processes(dir: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let proc = entry.path();
        let read = |name: &str| fs::read(proc.join(name)).unwrap_or_default();
        let (line, environ) = (read("cmdline"), read("environ"));
        let names =
            |bytes: &[u8], what: &str| bytes.windows(what.len()).any(|w| w == what.as_bytes());
        let ours = names(&line, dir) || names(&environ, dir);
        if !ours || names(&environ, "SOURCE_PASSWORD=") {
            continue;
        }
        for (what, bytes) in [("cmdline", &line), ("environ", &environ)] {
            if holds(bytes) {
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                found.push(format!("{what} of {}: {line}", proc.display()));
            }
        }
    }
    found
}

/// Every cell of every table but the one that is meant to hold it.
fn in_tables(store: &Path) -> Vec<String> {
    let sql = Connection::open(store).unwrap();
    let names = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let mut stmt = sql.prepare(names).unwrap();
    let tables: Vec<String> = stmt
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut found = Vec::new();
    let mut meant = 0;
    for table in &tables {
        let mut stmt = sql.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns: Vec<String> = stmt.column_names().map(str::to_owned).collect();
        let mut rows = stmt.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for (n, column) in columns.iter().enumerate() {
                let bytes = match row.get_ref(n).unwrap() {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
                    _ => continue,
                };
                match (table.as_str(), column.as_str()) {
                    ("source", "password") => meant += usize::from(holds(bytes)),
                    _ if holds(bytes) => found.push(format!("{table}.{column}")),
                    _ => {}
                }
            }
        }
    }
    assert!(meant > 0, "it is where it is meant to be: {tables:?}");
    found
}

fn files_under(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_under(&entry.path(), all),
            Ok(kind) if kind.is_file() => all.push(entry.path()),
            _ => {}
        }
    }
}

/// All files of the instance but the store and what it is made anew from: logs, rings, slots, outputs,
/// inputs. Those others are for nobody's eyes but the owner's.
fn in_files(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    files_under(dir, &mut all);
    assert!(
        all.iter().any(|path| path.ends_with("daemon.err")),
        "{all:?}"
    );
    let is_store = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.contains("crake.db") || name.starts_with("journal.")
    };
    let is_private = |path: &PathBuf| fs::metadata(path).unwrap().mode().trailing_zeros() >= 6;
    let told = |path: &&PathBuf| fs::read(path).is_ok_and(|bytes| holds(&bytes));
    all.iter()
        .filter(told)
        .filter(|path| !(is_store(path) && is_private(path)))
        .map(|path| path.display().to_string())
        .collect()
}

/// What every verb prints that shows anything.
fn in_answers(shop: &Shop) -> Vec<String> {
    let mut found = Vec::new();
    let watches = ["good", "login", "says", "prints", "echoes", "maria"];
    let sources = ["shop", "stranger", "says", "prints", "echoes", "maria"];
    let mut verbs: Vec<Vec<String>> = Vec::new();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
    for line in [
        "source ls",
        "watch ls",
        "list",
        "show eat",
        "history -n 100",
        "events -n 1000",
        "status",
        "status -o prom",
        "doctor",
        "check",
        "ps",
        "fires",
        "explain 1",
        "logs eat",
        "missed",
        "audit",
        "worker ls",
        "queue ls",
        "top --once",
        "top --once watches",
        "export",
    ] {
        verbs.push(words(line));
    }
    for watch in watches {
        for verb in ["show", "polls", "test"] {
            verbs.push(words(&format!("watch {verb} {watch}")));
        }
    }
    for source in sources {
        for verb in ["show", "test"] {
            verbs.push(words(&format!("source {verb} {source}")));
        }
    }
    for verb in verbs {
        for json in [None, Some("--json".to_owned())] {
            let args: Vec<String> = json.into_iter().chain(verb.clone()).collect();
            let answer = shop.instance.sandbox.run(&args);
            assert!(
                !answer.stderr.contains("unrecognized"),
                "{args:?}: {answer:?}"
            );
            if holds(answer.stdout.as_bytes()) || holds(answer.stderr.as_bytes()) {
                found.push(format!("{args:?}: {answer:?}"));
            }
        }
    }
    found
}

/// Sources that work, that refuse the password, and that say it aloud.
fn furnish(shop: &Shop) {
    let sandbox = &shop.instance.sandbox;
    let add = |name: &str, dsn: &str| {
        let answer = shop.with_password(&["source", "add", name, dsn]);
        assert_eq!(answer.code, 0, "{answer:?}");
    };
    let dsn = shop.dsn();
    add("stranger", &dsn.replace("crake@", "nobody_there@"));
    add(
        "says",
        r#"exec:echo "login as $SOURCE_PASSWORD failed" >&2; exit 3"#,
    );
    add(
        "prints",
        r#"exec:echo "[\"a\", \"b\"]"; echo "[\"$SOURCE_PASSWORD\"]""#,
    );
    add("echoes", r#"exec:echo "$SOURCE_PASSWORD is no JSON""#);
    if let Some(maria) = shared(Kind::Maria) {
        // A password within the DSN is split off.
        let written: String = PASSWORD.bytes().map(|b| format!("%{b:02X}")).collect();
        let dsn = maria
            .dsn("")
            .replace("crake@", &format!("crake:{written}@"));
        let dsn = dsn.replace("/crake?", "/no_such_database?");
        let answer = sandbox.run_with("DSN", &dsn, &["source", "add", "maria", "--dsn-env", "DSN"]);
        assert_eq!(answer.code, 0, "{answer:?}");
    }
}

#[test]
fn watch_secrets_are_in_one_column_of_the_store_and_nowhere_else() {
    let Some(mut shop) = Shop::open(Engine::Postgres) else {
        return;
    };
    furnish(&shop);
    let dir = shop.instance.sandbox.path("").display().to_string();
    let over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let look = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                seen.extend(in_processes(&dir));
            }
            seen
        });
        shop.watch("good", "SELECT 1 AS id", &["--every", "200ms"]);
        let mut watches = vec![
            ("login", "stranger"),
            ("says", "says"),
            ("prints", "prints"),
            ("echoes", "echoes"),
        ];
        watches.extend(shared(Kind::Maria).map(|_| ("maria", "maria")));
        for (watch, source) in &watches {
            let add = ["watch", "add", watch, "--source", source, "--job", "eat"];
            let query = ["--query", "SELECT 1 AS id", "--every", "200ms"];
            shop.instance.sandbox.ok(&[&add[..], &query].concat());
        }
        for (watch, _) in &watches {
            shop.until(&format!(
                "EXISTS(SELECT 1 FROM poll WHERE watch = '{watch}' AND fails >= 2)"
            ));
        }
        shop.polled("good", 5);
        over.store(true, Ordering::Relaxed);
        look.join().unwrap()
    });
    assert_eq!(seen, BTreeSet::new());
    assert_eq!(in_answers(&shop), [""; 0]);
    let error = shop.stands("says")["error"].to_string();
    assert!(error.contains("login as *** failed"), "{error}");
    assert_eq!(shop.instance.stop(), 0);
    assert_eq!(in_files(&shop.instance.sandbox.path("")), [""; 0]);
    assert_eq!(in_tables(&shop.instance.sandbox.store()), [""; 0]);
    let copy = shop.instance.sandbox.path("home/backup/crake.db");
    assert_eq!(in_copy(&copy), [""; 0]);
}

/// The copy may have been made before there was a source.
fn in_copy(copy: &Path) -> Vec<String> {
    let sql = Connection::open(copy).unwrap();
    let count = "SELECT count(*) FROM source WHERE password IS NOT NULL";
    match sql.query_row(count, [], |row| row.get::<_, i64>(0)) {
        Ok(0) | Err(_) => Vec::new(),
        Ok(_) => in_tables(copy),
    }
}
