//! A daemon beside a database of any engine, which it watches as the source `shop`.

use std::io::Write;

use postgres::NoTls;

use crate::support::instance::Instance;
use crate::support::sandbox::Answer;
use crate::support::servers::{Kind, PASSWORD, Server, fresh, shared};
use crate::support::wait::within;

/// How long anything may take that polls and runs are waited for, milliseconds.
pub const PATIENT_MS: i64 = 60_000;

/// Each thing that can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    Maria,
    Exec,
}

/// A source and a daemon that asks it.
pub struct Shop {
    pub instance: Instance,
    pub engine: Engine,
    /// The database on the server, which is this test's own.
    database: String,
    server: Option<&'static Server>,
}

/// A command that answers like a database: a query names a file with rows; `claim` takes rows of the
/// file `todo` into `taken`, `ack` strikes a row out there.
const SCRIPT: &str = r#"cd "$(dirname "$0")" || exit 1
case "$QUERY" in
claim) cat todo >> taken; : > todo ;;
ack) grep -v "\"id\":$PARAM_ID," taken > rest; mv rest taken ;;
*) cat "$QUERY" ;;
esac
"#;

/// What the job `eat` does: a line in the file `got` with its run, its delivery and its input.
pub const EAT: &str =
    r#"x=$(cat); printf '%s %s %s %s\n' "$CRAKE_RUN" "$CRAKE_ROWS" "$CRAKE_DELIVERY" "$x" >> got"#;

impl Shop {
    /// With a running daemon; `None`, said loudly, where this host has no such server.
    pub fn open(engine: Engine) -> Option<Shop> {
        Shop::with(engine, &[])
    }

    /// The same with other settings of the source.
    pub fn with(engine: Engine, settings: &[&str]) -> Option<Shop> {
        let mut shop = Shop::quiet(engine, settings)?;
        shop.instance.start();
        Some(shop)
    }

    /// The daemon does not run yet.
    pub fn quiet(engine: Engine, settings: &[&str]) -> Option<Shop> {
        let server = match engine {
            Engine::Postgres => Some(shared(Kind::Postgres)?),
            Engine::Maria => Some(shared(Kind::Maria)?),
            Engine::Sqlite | Engine::Exec => None,
        };
        let shop = Shop {
            instance: Instance::new(),
            engine,
            database: fresh("shop"),
            server,
        };
        shop.make();
        let dsn = shop.dsn();
        let add = ["source", "add", "shop", &dsn, "--writable"];
        let add = [&add, settings].concat();
        let answer = match server {
            Some(_) => shop.with_password(&add),
            None => shop.instance.sandbox.ok(&add),
        };
        assert_eq!(answer.code, 0, "{answer:?}");
        shop.instance.add("eat", EAT, &[]);
        Some(shop)
    }

    /// Runs the program with the password of the servers on its standard input.
    pub fn with_password(&self, args: &[&str]) -> Answer {
        let args = [args, &["--password-stdin"]].concat();
        self.instance.sandbox.feed(PASSWORD.as_bytes(), &args)
    }

    fn make(&self) {
        let sandbox = &self.instance.sandbox;
        match self.engine {
            Engine::Sqlite => self.put("PRAGMA journal_mode = WAL"),
            Engine::Exec => drop(sandbox.file("source.sh", SCRIPT.as_bytes())),
            Engine::Postgres | Engine::Maria => {
                let server = self.server.expect("a server");
                let sql = format!("CREATE DATABASE {}", self.database);
                match self.engine {
                    Engine::Postgres => postgres_at(server, "postgres")
                        .batch_execute(&sql)
                        .expect("a database"),
                    _ => server.make(&format!("{sql} CHARACTER SET utf8mb4")),
                }
            }
        }
    }

    /// Where the source is.
    pub fn dsn(&self) -> String {
        let path = |name: &str| self.instance.sandbox.path(name).display().to_string();
        let at = |server: &Server, database: &str| {
            let dsn = server.dsn("");
            dsn.replace(database, &format!("/{}?", self.database))
        };
        match (self.engine, self.server) {
            (Engine::Postgres, Some(server)) => at(server, "/postgres?"),
            (Engine::Maria, Some(server)) => at(server, "/crake?"),
            (Engine::Exec, _) => format!("exec:sh {}", path("source.sh")),
            _ => format!("sqlite:{}", path("shop.db")),
        }
    }

    /// A client of the file.
    pub fn sqlite(&self) -> rusqlite::Connection {
        let path = self.instance.sandbox.path("shop.db");
        let conn = rusqlite::Connection::open(path).expect("a database");
        conn.busy_timeout(std::time::Duration::from_secs(20))
            .expect("a time limit");
        conn
    }

    /// A client of PostgreSQL.
    pub fn postgres(&self) -> postgres::Client {
        postgres_at(self.server.expect("a server"), &self.database)
    }

    /// A client of MariaDB.
    pub fn maria(&self) -> mysql::Conn {
        let opts = mysql::OptsBuilder::new()
            .user(Some("crake"))
            .pass(Some(PASSWORD))
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(self.server.expect("a server").port())
            .prefer_socket(false)
            .db_name(Some(self.database.as_str()));
        mysql::Conn::new(opts).expect("a connection")
    }

    /// Does one thing in the database.
    #[track_caller]
    pub fn put(&self, sql: &str) {
        match self.engine {
            Engine::Sqlite => self.sqlite().execute_batch(sql).expect(sql),
            Engine::Postgres => self.postgres().batch_execute(sql).expect(sql),
            Engine::Maria => {
                mysql::prelude::Queryable::query_drop(&mut self.maria(), sql).expect(sql)
            }
            Engine::Exec => panic!("a command has no statements: {sql}"),
        }
    }

    /// A whole number that the database tells.
    #[track_caller]
    pub fn count(&self, sql: &str) -> i64 {
        match self.engine {
            Engine::Sqlite => self
                .sqlite()
                .query_row(sql, [], |row| row.get(0))
                .expect(sql),
            Engine::Postgres => self.postgres().query_one(sql, &[]).expect(sql).get(0),
            Engine::Maria => mysql::prelude::Queryable::query_first(&mut self.maria(), sql)
                .expect(sql)
                .expect(sql),
            Engine::Exec => panic!("a command counts nothing: {sql}"),
        }
    }

    /// Appends to a file of the command.
    pub fn append(&self, name: &str, text: &str) {
        let path = self.instance.sandbox.path(name);
        let file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(path);
        file.expect("a file")
            .write_all(text.as_bytes())
            .expect("room");
    }

    /// Makes a watch for the job `eat`, unless another is named.
    #[track_caller]
    pub fn watch(&self, name: &str, query: &str, more: &[&str]) {
        let args = ["watch", "add", name, "--source", "shop", "--query", query];
        let job: &[&str] = match more.contains(&"--job") {
            true => &[],
            false => &["--job", "eat"],
        };
        self.instance.sandbox.ok(&[&args, job, more].concat());
    }

    /// Waits until a condition holds in the store.
    #[track_caller]
    pub fn until(&self, condition: &str) {
        let sql = self.instance.sql();
        let query = format!("SELECT 1 WHERE {condition}");
        within(PATIENT_MS, condition, || {
            sql.query_row(&query, [], |_| Ok(())).ok()
        });
    }

    /// Waits until a watch has made so many polls that are over and not skipped.
    #[track_caller]
    pub fn polled(&self, watch: &str, count: i64) {
        self.until(&format!(
            "(SELECT coalesce(sum(repeats), 0) FROM poll WHERE watch = '{watch}'
              AND outcome NOT IN('running', 'skipped')) >= {count}"
        ));
    }

    /// Waits until no run of a watch is ahead, and nobody is to be told of rows.
    #[track_caller]
    pub fn settled(&self) {
        self.until(
            "NOT EXISTS(SELECT 1 FROM run WHERE ended_at IS NULL) AND NOT EXISTS(SELECT 1 FROM owed)",
        );
    }

    /// What `watch ls` says of a watch.
    #[track_caller]
    pub fn stands(&self, watch: &str) -> serde_json::Value {
        let all = self.instance.sandbox.items(&["watch", "ls"]);
        let found = all.into_iter().find(|item| item["watch"] == watch);
        found.expect("the watch")
    }

    /// The polls of a watch, the oldest first.
    #[track_caller]
    pub fn polls(&self, watch: &str) -> Vec<serde_json::Value> {
        let args = ["watch", "polls", watch, "-n", "1000"];
        let mut polls = self.instance.sandbox.items(&args);
        polls.reverse();
        polls
    }
}

/// A client of a database on a server of PostgreSQL.
pub fn postgres_at(server: &Server, database: &str) -> postgres::Client {
    postgres::Config::new()
        .host("127.0.0.1")
        .port(server.port())
        .user("crake")
        .password(PASSWORD)
        .dbname(database)
        .connect(NoTls)
        .expect("a connection")
}
