//! Watches in every state, made by hand through the store and through SQL, as a daemon leaves them.

use crake::model::{
    Deliver, Dsn, Mode, PasswordFrom, Pause, PoolLimits, Source, SourceEngine, Watch,
};
use crake::schedule::UnixMs;
use crake::store::Store;
use rusqlite::{Connection, params};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// What a poll brought that waits for its runs: nothing.
const HELD: &str = r#"{"memory":null,"sighting":{"fresh":[],"again":[],"sighted":[],"forget":"nothing"},"others":[]}"#;

/// A source that is a file of SQLite.
pub fn source(name: &str, at: UnixMs) -> Source {
    let (dsn, _) = Dsn::parse("sqlite:/srv/shop.db").expect("a DSN");
    Source {
        name: name.to_owned(),
        engine: SourceEngine::Sqlite,
        dsn: dsn.to_string(),
        password: PasswordFrom::Nowhere,
        writable: false,
        limits: PoolLimits::default(),
        version: 1,
        created_at: at,
        changed_at: at,
    }
}

/// A poll as a row.
pub struct Poll<'a> {
    pub watch: &'a str,
    pub at: UnixMs,
    pub outcome: &'a str,
    pub took_ms: Option<i64>,
    pub fresh: Option<i64>,
    pub runs: i64,
    pub error: Option<&'a str>,
    pub fails: i64,
    pub held: bool,
}

/// A poll that found nothing.
pub fn poll(watch: &str, at: UnixMs) -> Poll<'_> {
    Poll {
        watch,
        at,
        outcome: "empty",
        took_ms: Some(12),
        fresh: Some(0),
        runs: 0,
        error: None,
        fails: 0,
        held: false,
    }
}

impl Poll<'_> {
    /// Writes it, with runs that went well. Gives its number.
    pub fn write(&self, sql: &Connection) -> i64 {
        let id: i64 = sql
            .query_row("SELECT coalesce(max(id), 0) + 1 FROM poll", [], |row| {
                row.get(0)
            })
            .unwrap();
        let cursor = |n: i64| format!("{}", 4_000 + n);
        sql.execute(
            "INSERT INTO poll(id, watch, trigger, due_at, started_at, took_ms, query, params, outcome,
               rows, fresh_rows, runs, cursor_before, cursor_after, error, fails, held)
             VALUES(?1, ?2, 'timer', ?3, ?3, ?4, 'SELECT id FROM o WHERE id > :cursor', ?5, ?6, ?7, ?7,
               ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                id,
                self.watch,
                self.at,
                self.took_ms,
                format!("{{\"cursor\":{},\"limit\":10000}}", 4_000 + id - 1),
                self.outcome,
                self.fresh,
                self.runs,
                cursor(id - 1),
                cursor(id - 1 + self.runs.min(1)),
                self.error,
                self.fails,
                self.held.then_some(HELD),
            ],
        )
        .unwrap();
        for _ in 0..self.runs {
            self.run(sql, id, "succeeded");
        }
        id
    }

    /// Writes a run that it made. Gives its number.
    pub fn run(&self, sql: &Connection, poll: i64, state: &str) -> i64 {
        sql.execute(
            "INSERT INTO run(job, origin, origin_ref, requested_by, state, queue, priority, queued_at,
               run_at, started_at, ended_at, max_attempts, attempt, accepted)
             VALUES('ship', 'watch', ?1, ?2, ?3, 'normal', 5, ?4, ?4, ?4, ?4 + 900, 1, 1, 1)",
            params![
                poll.to_string(),
                format!("watch {}", self.watch),
                state,
                self.at
            ],
        )
        .unwrap();
        sql.last_insert_rowid()
    }
}

/// Says when a watch is asked next, and where its cursor is.
pub fn stands(sql: &Connection, watch: &str, next_at: UnixMs, cursor: Option<i64>) {
    let memory = cursor.map_or("{}".to_owned(), |n| {
        format!("{{\"cursor\":[{{\"int\":{n}}}],\"begun\":true}}")
    });
    sql.execute(
        "UPDATE watch SET next_at = ?2, memory = ?3 WHERE name = ?1",
        params![watch, next_at, memory],
    )
    .unwrap();
}

/// Says how the connections to a source stand.
pub fn gauge(sql: &Connection, source: &str, at: UnixMs, leaks: i64) {
    let pool = format!(
        "{{\"size\":2,\"idle\":1,\"in_use\":1,\"waiters\":0,\"leaks\":{leaks},\"longest_wait_ms\":3}}"
    );
    sql.execute(
        "INSERT OR REPLACE INTO gauge(source, at, pool, listening, pid) VALUES(?1, ?2, ?3, 1, 4711)",
        params![source, at, pool],
    )
    .unwrap();
}

/// The definition of one.
pub fn watch(name: &str) -> Watch {
    Watch {
        every_ms: 10_000,
        ..Watch::of(name, "shop", "SELECT id, customer FROM orders", "ship")
    }
}

/// Watches in every state but those that need the daemon to be away. There must be a job `ship`.
pub fn every_state(store: &mut Store, sql: &Connection, now: UnixMs) {
    let long_ago = now - 24 * HOUR;
    let put = |store: &mut Store, watch: Watch| {
        store.put_watch(&watch, false, "ana", long_ago).unwrap();
    };
    store
        .put_source(&source("shop", long_ago), None, false, long_ago)
        .unwrap();
    store
        .put_source(&source("gone", long_ago), None, false, long_ago)
        .unwrap();
    put(
        store,
        Watch {
            mode: Mode::Cursor,
            key: vec!["id".to_owned()],
            listen: Some("data_version".to_owned()),
            ..watch("orders")
        },
    );
    for name in ["audit", "backlog", "invoices", "late", "prices"] {
        put(store, watch(name));
    }
    put(
        store,
        Watch {
            source: "gone".to_owned(),
            ..watch("stock")
        },
    );
    put(
        store,
        Watch {
            deliver: Deliver::Row,
            ..watch("transfers")
        },
    );
    well(sql, now);
    let pause = Pause {
        from: now - 2 * HOUR,
        until: None,
        by: "ana".to_owned(),
        reason: Some("the shop is being moved".to_owned()),
    };
    store.pause_watch("invoices", &pause).unwrap();
    unwell(sql, now);
    gauge(sql, "shop", now, 0);
}

/// Those that do what they should.
fn well(sql: &Connection, now: UnixMs) {
    for minute in (1..=60).rev() {
        let fresh = (minute * 7) % 5;
        Poll {
            outcome: if fresh > 0 { "ok" } else { "empty" },
            fresh: Some(fresh),
            runs: i64::from(fresh > 0),
            ..poll("orders", now - minute * MINUTE)
        }
        .write(sql);
    }
    Poll {
        outcome: "ok",
        fresh: Some(3),
        runs: 1,
        ..poll("orders", now - 4_000)
    }
    .write(sql);
    stands(sql, "orders", now + 6_000, Some(4_060));
    poll("audit", now - 5_000).write(sql);
    stands(sql, "audit", now + 5_000, None);
    Poll {
        outcome: "running",
        took_ms: None,
        fresh: None,
        ..poll("backlog", now - 3_000)
    }
    .write(sql);
    stands(sql, "backlog", now - 3_000, None);
}

/// Those somebody should look at.
fn unwell(sql: &Connection, now: UnixMs) {
    poll("late", now - 41_000).write(sql);
    stands(sql, "late", now - 31_000, None);
    for fails in 1..=6 {
        Poll {
            outcome: "no_connection",
            took_ms: Some(5_003),
            fresh: None,
            error: Some("connect: nothing listens on 10.0.0.5:5432"),
            fails,
            ..poll("prices", now - (7 - fails) * 40_000)
        }
        .write(sql);
    }
    stands(sql, "prices", now + 20_000, None);
    stands(sql, "stock", now + 20_000, None);
    sql.execute_batch("DROP TRIGGER source_in_use; DELETE FROM source WHERE name = 'gone'")
        .unwrap();
    let held = Poll {
        outcome: "ok",
        fresh: Some(1),
        held: true,
        ..poll("transfers", now - 90_000)
    };
    let id = held.write(sql);
    held.run(sql, id, "failed");
    stands(sql, "transfers", now - 80_000, None);
}
