//! A daemon, a database it watches, and a job that writes down what it is given.

use rusqlite::Connection;
use serde_json::Value;

use crate::support::instance::Instance;
use crate::support::wait::until;

/// A daemon beside a database of SQLite, the source `shop`, with an empty table `t(id, v)`; the job
/// `eat` writes each delivery as a line into the file `got`.
pub struct Field {
    pub instance: Instance,
}

/// What a job does that writes down its input, its key variables beside it, at once.
pub const EAT: &str = r#"x=$(cat); printf '%s\n' "$x" >> got"#;

impl Field {
    /// With a running daemon.
    pub fn new() -> Field {
        let mut field = Field::quiet();
        field.instance.start();
        field
    }

    /// The daemon does not run yet.
    pub fn quiet() -> Field {
        let field = Field {
            instance: Instance::new(),
        };
        let shop = field.shop();
        shop.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
            .unwrap();
        let dsn = format!(
            "sqlite:{}",
            field.instance.sandbox.path("shop.db").display()
        );
        field
            .instance
            .sandbox
            .ok(&["source", "add", "shop", &dsn, "--writable"]);
        field.instance.add("eat", EAT, &[]);
        field
    }

    /// The database.
    pub fn shop(&self) -> Connection {
        let shop = Connection::open(self.instance.sandbox.path("shop.db")).unwrap();
        shop.busy_timeout(std::time::Duration::from_secs(20))
            .unwrap();
        shop
    }

    /// Changes it.
    pub fn put(&self, sql: &str) {
        self.shop().execute_batch(sql).unwrap();
    }

    /// Makes a watch for the job `eat`.
    #[track_caller]
    pub fn watch(&self, name: &str, query: &str, more: &[&str]) {
        let args = ["watch", "add", name, "--source", "shop", "--query", query];
        let job: &[&str] = match more.contains(&"--job") {
            true => &[],
            false => &["--job", "eat"],
        };
        self.instance.sandbox.ok(&[&args, job, more].concat());
    }

    /// What the job was given, in order.
    pub fn got(&self) -> Vec<Value> {
        let lines = self.instance.lines("got");
        let read = |line: &String| serde_json::from_str(line).ok();
        lines.iter().filter_map(read).collect()
    }

    /// The ids of the rows it was given, in order.
    pub fn ids(&self) -> Vec<i64> {
        let rows = |one: &Value| one["rows"].as_array().cloned().unwrap_or_default();
        let ids = self.got();
        let ids = ids.iter().flat_map(rows);
        ids.filter_map(|row| row["id"].as_i64()).collect()
    }

    /// Waits until it was given these ids, in this order.
    #[track_caller]
    pub fn until_ids(&self, wanted: &[i64]) {
        until(
            &format!("{wanted:?} are delivered, not {:?}", self.ids()),
            || (self.ids() == wanted).then_some(()),
        );
    }

    /// Waits until a watch has made so many polls that are over and not skipped.
    #[track_caller]
    pub fn polled(&self, watch: &str, count: i64) {
        self.instance.until_sql(&format!(
            "(SELECT coalesce(sum(repeats), 0) FROM poll WHERE watch = '{watch}'
              AND outcome NOT IN('running', 'skipped')) >= {count}"
        ));
    }

    /// Waits until a watch has made so many more polls than it has now.
    #[track_caller]
    pub fn polled_again(&self, watch: &str, more: i64) {
        let sql = format!(
            "SELECT count(*) FROM poll WHERE watch = '{watch}' AND outcome NOT IN('running', 'skipped')"
        );
        let now: i64 = self.instance.cell(&sql).unwrap();
        self.polled(watch, now + more);
    }

    /// The process of the poller of a source, once there is one but for this.
    #[track_caller]
    pub fn poller(&self, source: &str, other: Option<i32>) -> i32 {
        let sql = format!("SELECT pid FROM gauge WHERE source = '{source}' AND pid IS NOT NULL");
        until("a poller", || {
            let pid = self.instance.cell::<i32>(&sql)?;
            Some(pid).filter(|pid| Some(*pid) != other)
        })
    }
}
