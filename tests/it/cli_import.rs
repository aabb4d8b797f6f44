//! `import`, through the program.

use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;

const TABLE: &[u8] = b"SHELL=/bin/bash\nMAILTO=ana\nA=1\n\n# Nightly copy of home\n30 2 * * * /opt/copy.sh --all%in%put\n*/5 * * * * /opt/beat\nA=2\n@reboot /opt/start\n";

fn actions(item: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    item["jobs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|job| (text(&job["name"]), text(&job["action"])))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn cli_import_makes_jobs_as_their_cron_ran_them() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("table", TABLE);
    let path = file.display().to_string();
    let item = sandbox.item(&["import", &path, "--dialect", "debian"]);
    assert_eq!(
        (
            &item["file"],
            &item["dialect"],
            &item["format"],
            &item["verdict"]
        ),
        (&json!(path), &json!("debian"), &json!("user"), &json!("ok"))
    );
    assert_eq!(
        actions(&item),
        pairs(&[
            ("nightly-copy-of-home", "added"),
            ("beat", "added"),
            ("start", "added")
        ])
    );
    let job = sandbox.item(&["show", "nightly-copy-of-home"]);
    assert_eq!(job["command"], "/opt/copy.sh --all");
    assert_eq!(job["stdin"], "in\nput\n");
    assert_eq!(job["shell"], "/bin/bash");
    assert_eq!(
        job["env"],
        json!({"SHELL": "/bin/bash", "MAILTO": "ana", "A": "1"})
    );
    assert_eq!(job["engine"], "debian");
    assert_eq!(job["description"], "Nightly copy of home");
    assert_eq!(job["origin"], format!("crontab:{path}:6"));
    assert_eq!(
        (
            &job["policy"]["catch_up"],
            &job["policy"]["overlap"],
            &job["policy"]["timeout_ms"]
        ),
        (&json!("none"), &json!("allow"), &Value::Null)
    );
    let start = sandbox.item(&["show", "start"]);
    assert_eq!(start["schedules"], json!(["@reboot"]));
    assert_eq!(start["env"]["A"], "2");
    let ids: Vec<&str> = item["warnings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|w| w["id"].as_str())
        .collect();
    assert!(ids.contains(&"W03"), "{ids:?}");
}

#[test]
fn cli_import_again_changes_nothing_and_a_changed_line_keeps_its_job() {
    let sandbox = Sandbox::new();
    let path = sandbox.file("table", TABLE).display().to_string();
    sandbox.ok(&["import", &path]);
    let before = sandbox.items(&["list"]);
    let again = sandbox.ok(&["import", &path]);
    assert!(again.stdout.contains("Nothing changed."), "{again:?}");
    assert_eq!(sandbox.items(&["list"]), before);

    sandbox.ok(&["edit", "beat", "--retry", "4"]);
    let mut changed = b"# a new first line\n".to_vec();
    changed.extend(
        String::from_utf8_lossy(TABLE)
            .replace("*/5", "*/7")
            .into_bytes(),
    );
    sandbox.file("table", &changed);
    let item = sandbox.item(&["import", &path]);
    assert_eq!(
        actions(&item),
        pairs(&[
            ("nightly-copy-of-home", "moved"),
            ("beat", "changed"),
            ("start", "moved")
        ])
    );
    let beat = sandbox.item(&["show", "beat"]);
    assert_eq!(beat["schedules"], json!(["*/7 * * * *"]));
    assert_eq!(
        beat["policy"]["retry"], 4,
        "what the table cannot say stays"
    );

    sandbox.file("table", b"@reboot /opt/start\n");
    let less = sandbox.ok(&["import", &path]);
    assert!(
        less.stderr.contains("beat, nightly-copy-of-home"),
        "{less:?}"
    );
    assert_eq!(sandbox.items(&["list"]).len(), 3);
}

#[test]
fn cli_import_dry_writes_nothing() {
    let sandbox = Sandbox::new();
    let path = sandbox.file("table", TABLE).display().to_string();
    let dry = sandbox.ok(&["import", "-n", &path]);
    assert!(dry.stdout.contains("Nothing written (dry run)."), "{dry:?}");
    assert!(!sandbox.path("home").exists());
}

#[test]
fn cli_import_follows_each_dialect_where_a_line_is_bad() {
    let table = b"61 * * * * bad\n5 * * * * good\n";
    let sandbox = Sandbox::new();
    let debian = sandbox.feed(table, &["import", "-", "--dialect", "debian"]);
    assert_eq!(debian.code, 6, "{debian:?}");
    assert!(
        debian.stderr.contains("line 1, column 1: bad minute"),
        "{debian:?}"
    );
    assert!(
        debian.stdout.contains("ignores the whole file: line 1"),
        "{debian:?}"
    );
    assert!(sandbox.items(&["list"]).is_empty());
    let dry = sandbox.feed(
        table,
        &["import", "-", "-n", "--json", "--dialect", "debian"],
    );
    assert_eq!(
        (dry.code, &dry.json()["item"]["verdict"]),
        (0, &json!("reject"))
    );
    let cronie = sandbox.feed(table, &["import", "-", "--dialect", "cronie"]);
    assert_eq!(cronie.code, 0, "{cronie:?}");
    let names: Vec<Value> = sandbox
        .items(&["list"])
        .iter()
        .map(|i| i["name"].clone())
        .collect();
    assert_eq!(names, ["good"]);
}

#[test]
fn cli_import_of_a_system_table_takes_our_own_entries() {
    let sandbox = Sandbox::new();
    let me = sandbox.feed(b"", &["import", "-", "--json"]);
    assert_eq!(me.code, 0, "{me:?}");
    let table = b"1 * * * * nobody-at-all x\n0 0 30 2 * nobody-at-all y\n";
    let answer = sandbox.feed(table, &["import", "-", "--format", "system", "--json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let item = answer.json()["item"].clone();
    assert_eq!(actions(&item), pairs(&[("x", "refused"), ("y", "never")]));
    assert_eq!(item["lines"][0]["user"], "nobody-at-all");
    let user = sandbox.feed(table, &["import", "-", "--user", "nobody-at-all"]);
    let root = rustix::process::geteuid().is_root();
    assert_eq!(user.code, if root { 6 } else { 7 }, "{user:?}");
}

#[test]
fn cli_import_by_root_keeps_the_user_of_each_line() {
    if !crate::support::facility::root() {
        return;
    }
    let sandbox = Sandbox::new();
    let table = b"1 * * * * nobody x\n2 * * * * root z\n";
    let args = ["import", "-", "--format", "system", "--json"];
    let item = sandbox.feed(table, &args).json()["item"].clone();
    assert_eq!(actions(&item), pairs(&[("x", "added"), ("z", "added")]));
    assert_eq!(sandbox.item(&["show", "x"])["user"], "nobody");
    assert_eq!(sandbox.item(&["show", "z"])["user"], json!(null));
    let whole = sandbox.feed(b"3 * * * * w\n", &["import", "-", "--user", "nobody"]);
    assert_eq!(whole.code, 0, "{whole:?}");
    assert_eq!(sandbox.item(&["show", "w"])["user"], "nobody");
}

#[test]
fn cli_import_lists_the_field_sets() {
    let sandbox = Sandbox::new();
    let table = b"0,30 1-3 1 */6 0 cmd\n# text\n\nK = v\n@reboot r\n0 0 30 2 * never\n";
    let answer = sandbox.feed(table, &["import", "-", "--json", "--dialect", "cronie"]);
    let item = answer.json()["item"].clone();
    let line = &item["lines"][0];
    assert_eq!(
        (
            &line["min"],
            &line["hour"],
            &line["dom"],
            &line["mon"],
            &line["dow"]
        ),
        (
            &json!([0, 30]),
            &json!([1, 2, 3]),
            &json!([1]),
            &json!([1, 7]),
            &json!([0, 7])
        )
    );
    assert_eq!(
        (&line["dom_star"], &line["cmd"]),
        (&json!(false), &json!("cmd"))
    );
    let kinds: Vec<&str> = item["lines"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|l| l["k"].as_str())
        .collect();
    assert_eq!(
        kinds,
        ["entry", "comment", "blank", "env", "entry", "entry"]
    );
    assert_eq!(item["lines"][3]["kv"], "K=v");
    assert_eq!(item["lines"][4]["reboot"], true);
    assert_eq!(actions(&item)[2], ("never".to_owned(), "never".to_owned()));
}

#[test]
fn cli_import_draws_random_values_once_and_reads_cron_tz() {
    let sandbox = Sandbox::new();
    let table = b"CRON_TZ=Asia/Tokyo\n0~59 3 * * * x\n";
    let args = ["import", "-", "--json", "--dialect", "cronie"];
    let first = sandbox.feed(table, &args).json()["item"]["jobs"].clone();
    let job = sandbox.item(&["show", "x"]);
    assert_eq!(job["plans"][0]["zone"], "Asia/Tokyo");
    let minute: u32 = job["schedules"][0]
        .as_str()
        .and_then(|s| s.strip_suffix(" 3 * * *"))
        .and_then(|minute| minute.parse().ok())
        .expect("one minute");
    assert!(minute < 60);
    let second = sandbox.feed(table, &args).json()["item"]["jobs"].clone();
    assert_eq!(second[0]["action"], "unchanged");
    assert_eq!(second[0]["schedule"], first[0]["schedule"]);
}

#[test]
fn cli_import_keeps_bytes_and_makes_names_unique() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "copy", "-c", "mine"]);
    let answer = sandbox.feed(b"1 1 * * * /bin/copy \xff\n", &["import", "-", "--json"]);
    assert_eq!(
        actions(&answer.json()["item"]),
        pairs(&[("copy-2", "added")])
    );
    let job = sandbox.item(&["show", "copy-2"]);
    assert_eq!(job["command"], json!({"b64": "L2Jpbi9jb3B5IP8="}));
    assert_eq!(sandbox.item(&["show", "copy"])["command"], "mine");
    let missing = sandbox.run(&["import", "no-such-file"]);
    assert_eq!(missing.code, 1, "{missing:?}");
}

#[test]
fn cli_import_keeps_a_random_delay_as_jitter() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("table", b"RANDOM_DELAY=45\n0 3 * * * /opt/fetch\n");
    let path = file.display().to_string();
    for (dialect, jitter) in [("cronie", 2_700_000), ("debian", 0)] {
        let args = ["import", &path, "--dialect", dialect, "-n"];
        let item = sandbox.item(&args);
        let noted = item["jobs"][0]["notes"]
            .to_string()
            .contains("RANDOM_DELAY");
        assert_eq!(noted, jitter > 0, "{item}");
    }
    sandbox.ok(&["import", &path, "--dialect", "cronie"]);
    let again = sandbox.item(&["import", &path, "--dialect", "cronie"]);
    assert_eq!(actions(&again), pairs(&[("fetch", "unchanged")]));
    let job = sandbox.item(&["show", "fetch"]);
    assert_eq!(job["plans"][0]["jitter_ms"], json!(2_700_000), "{job}");
}
