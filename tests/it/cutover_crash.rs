//! kill -9 at each step of a cutover and a rollback of several tables: each entry stays live in
//! exactly one place, whoever settles what was begun.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::instance::Instance;
use crate::support::sandbox::{Answer, Sandbox};
use crate::support::wait::until;

const TABLES: [&[u8]; 3] = [
    b"1 1 * * * /opt/a\n\n@daily /opt/b\n",
    b"A=1\n2 2 * * * /opt/c\n# kept\n",
    b"# mine\n\n3 3 * * * /opt/d\n@hourly  /opt/e\n",
];

/// A `crontab` with its table in a file; the third table is read and written by it alone.
const CRONTAB: &str = r#"#!/bin/sh
dir=$(dirname "$0")
[ "$1" = -u ] && shift 2
case "$1" in
-l) exec cat "$dir/spool" ;;
-) cat > "$dir/new" && exec mv "$dir/new" "$dir/spool" ;;
esac
exit 1
"#;

/// The steps, in order, and whether a rollback passes them.
const POINTS: [(&str, bool); 6] = [
    ("cutover planned", false),
    ("cutover backed up", false),
    ("cutover noted", true),
    ("cutover staged", true),
    ("cutover installed", true),
    ("cutover settled", true),
];

/// Who ends what was begun.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Settler {
    Daemon,
    Doctor,
    Next,
}

struct Case<'a> {
    sandbox: &'a Sandbox,
    what: String,
}

impl Case<'_> {
    fn run(&self, args: &[&str], crash: Option<&str>) -> Answer {
        let mut command = self.sandbox.command();
        command.env("PATH", path_of(self.sandbox)).args(args);
        command.env("CRAKE_CRON_ROOT", self.sandbox.path("none"));
        command.envs(crash.map(|told| ("CRAKE_CRASH", told)));
        Answer::of(command.output().expect("the program"))
    }

    fn ok(&self, args: &[&str]) {
        let answer = self.run(args, None);
        assert_eq!(answer.code, 0, "{}: {args:?}: {answer:?}", self.what);
    }

    fn files(&self) -> [PathBuf; 3] {
        ["one", "two", "bin/spool"].map(|name| self.sandbox.path(name))
    }

    /// Makes the tables and imports them.
    fn begin(&self) {
        for (path, table) in self.files().iter().zip(TABLES) {
            std::fs::write(path, table).expect("a table");
        }
        for table in ["one", "two", "crontab:root"] {
            self.ok(&["import", table, "--observe", "--days", "0"]);
        }
    }

    fn is_settled(&self) -> bool {
        let store = rusqlite::Connection::open(self.sandbox.store()).expect("the store");
        let sql = "SELECT count(*) FROM crontab WHERE intent IS NOT NULL";
        store.query_row(sql, [], |row| row.get(0)).unwrap_or(1) == 0
    }

    /// Each job runs from the next minute on either by its table or here.
    fn live_once(&self, when: &str) {
        let store = rusqlite::Connection::open(self.sandbox.store()).expect("the store");
        let texts = self
            .files()
            .map(|path| std::fs::read_to_string(path).expect("a table"));
        for job in ["a", "b", "c", "d", "e"] {
            let end = format!("/opt/{job}");
            let lines = texts.iter().flat_map(|text| text.lines());
            let of_job: Vec<&str> = lines.filter(|line| line.ends_with(&end)).collect();
            let [line] = of_job.as_slice() else {
                panic!("{}: {when}: {job} is in {of_job:?}", self.what);
            };
            let paused: bool = store
                .query_row(
                    "SELECT EXISTS(SELECT 1 FROM pause, (SELECT (unixepoch() / 60 + 1) * 60000 AS at)
                     WHERE job = ?1 AND from_at <= at AND (until_at IS NULL OR until_at > at))",
                    [job],
                    |row| row.get(0),
                )
                .expect("the pauses");
            let in_cron = !line.starts_with('#');
            assert_eq!(in_cron, paused, "{}: {when}: {job}: {line}", self.what);
        }
    }

    fn is_as_before(&self) {
        for (path, table) in self.files().iter().zip(TABLES) {
            let is = std::fs::read(path).expect("a table");
            assert_eq!(is, table, "{}: {}", self.what, path.display());
        }
    }

    fn doctor(&self) -> Value {
        let doctor = self.run(&["doctor", "--json"], None).json();
        let items = doctor["items"].as_array().expect("items");
        let cron = items.iter().find(|item| item["check"] == "cron");
        cron.expect("a check of cron").clone()
    }
}

fn path_of(sandbox: &Sandbox) -> String {
    format!("{}:/usr/bin:/bin", sandbox.path("bin").display())
}

fn prepare(sandbox: &Sandbox) {
    use std::os::unix::fs::PermissionsExt;
    let program = sandbox.file("bin/crontab", CRONTAB.as_bytes());
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(program, all).expect("a program");
    std::fs::create_dir_all(sandbox.path("none")).expect("a root");
}

/// One death at the `nth` passing of a point, settled by one of the three, and the way back.
fn die(case: &Case<'_>, verb: &str, (point, in_rollback): (&str, bool), nth: usize, by: Settler) {
    case.begin();
    if verb == "rollback" {
        case.ok(&["cutover"]);
    }
    let armed = case.sandbox.file("armed", b"");
    let told = format!("{point}:{nth}:{}", armed.display());
    let died = case.run(&[verb], Some(&told));
    if verb == "cutover" || in_rollback {
        let dead = !armed.exists() && died.code != 0;
        assert!(dead, "{}: {died:?}", case.what);
    }
    match by {
        Settler::Daemon => until("the daemon settles", || case.is_settled().then_some(())),
        Settler::Doctor => assert_ne!(case.doctor()["state"], "fail", "{}", case.what),
        // It settles, and says that there is nothing else to do.
        Settler::Next => case.ok(&["rollback", "--job", "a"]),
    }
    case.live_once("settled");
    assert_ne!(case.doctor()["state"], "fail", "{}", case.what);
    case.ok(&["cutover"]);
    case.live_once("cut over after all");
    case.ok(&["rollback"]);
    case.live_once("rolled back");
    case.is_as_before();
}

fn walk(sandbox: &Sandbox, by: Settler) {
    prepare(sandbox);
    for verb in ["cutover", "rollback"] {
        for point in POINTS.into_iter().filter(|p| verb == "cutover" || p.1) {
            for nth in 1..=TABLES.len() {
                let what = format!("{verb} dies at {point:?} of table {nth}, {by:?} settles");
                die(&Case { sandbox, what }, verb, point, nth, by);
            }
        }
    }
}

#[test]
fn cutover_killed_at_each_step_of_several_tables_is_settled_by_the_next_command() {
    walk(&Sandbox::new(), Settler::Next);
}

#[test]
fn cutover_killed_at_each_step_of_several_tables_is_settled_by_doctor() {
    walk(&Sandbox::new(), Settler::Doctor);
}

#[test]
fn cutover_killed_at_each_step_of_several_tables_is_settled_by_the_daemon() {
    let mut instance = Instance::new();
    prepare(&instance.sandbox);
    let mut daemon = instance.daemon_command();
    daemon.env("PATH", path_of(&instance.sandbox));
    instance.start_by(daemon);
    walk(&instance.sandbox, Settler::Daemon);
}
