//! Servers that hang, restart, refuse: what the pool, the limits and the diagnosis make of them.

use std::sync::Arc;

use crake::model::{Cell, PasswordFrom, PoolLimits, Secret, Source};
use crake::source::{
    Connection, ErrorKind, Heard, Listener, Pool, Query, diagnose, pool_of, run_bounded,
};

use crate::support::servers::{Kind, PASSWORD, Server, fresh, shared, source};
use crate::support::wait::{mono, until, within};

fn secret() -> Secret {
    Secret::new(PASSWORD)
}

fn pool(source: &Source, limits: PoolLimits) -> Pool<Box<dyn Connection>> {
    let source = Source {
        limits,
        ..source.clone()
    };
    pool_of(&source, Some(secret()), Arc::new(mono))
}

fn count(server: &Server, sql: &str) -> i64 {
    let mut conn = server.open("look").expect("a connection");
    let rows = conn.query(&Query::new(sql, "look")).expect(sql).rows.rows;
    match rows[0][0] {
        Cell::Int(count) => count,
        ref other => panic!("{other:?}"),
    }
}

/// The limit passes, and what ran is gone from the server soon after.
fn stopped(kind: Kind, sleep: &str, owner: &str, running: &str) {
    let Some(server) = shared(kind) else { return };
    let conn = server.open(owner).expect("a connection");
    let mut query = Query::new(sleep, owner);
    query.timeout_ms = 500;
    let begin = mono();
    let (conn, answer) = run_bounded(conn, &query);
    assert_eq!(answer.expect_err("stopped").kind, ErrorKind::Timeout);
    assert!(mono() - begin < 20_000, "it waited for the sleep");
    within(4_000, "the query is gone from the server", || {
        (count(server, running) == 0).then_some(())
    });
    let mut conn = conn.expect("it came back");
    assert_eq!(
        conn.query(&Query::new("SELECT 1", owner))
            .expect("a row")
            .rows
            .rows
            .len(),
        1
    );
}

#[test]
fn source_servers_postgres_query_ends_at_its_limit_on_the_server_too() {
    let running = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'crake/sleeper' AND state = 'active'";
    stopped(Kind::Postgres, "SELECT pg_sleep(60)", "sleeper", running);
}

#[test]
fn source_servers_mysql_query_ends_at_its_limit_on_the_server_too() {
    let running = "SELECT count(*) FROM information_schema.PROCESSLIST
        WHERE INFO LIKE 'SELECT SLEEP(60%'";
    stopped(Kind::Maria, "SELECT SLEEP(60)", "sleeper", running);
}

#[test]
fn source_servers_cancel_stops_a_query_from_another_thread() {
    for (kind, sleep) in [
        (Kind::Postgres, "SELECT pg_sleep(60)"),
        (Kind::Maria, "SELECT SLEEP(60), 'cancelled'"),
    ] {
        let Some(server) = shared(kind) else { return };
        let owner = fresh("cancel");
        let mut conn = server.open(&owner).expect("a connection");
        let stop = conn.canceller();
        let mut query = Query::new(sleep, &owner);
        query.timeout_ms = 60_000;
        let running = match kind {
            Kind::Postgres => format!(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE application_name = 'crake/{owner}' AND wait_event = 'PgSleep'"
            ),
            Kind::Maria => "SELECT count(*) FROM information_schema.PROCESSLIST
                WHERE INFO LIKE 'SELECT SLEEP(60), %' AND STATE = 'User sleep'"
                .to_owned(),
        };
        let answer = std::thread::scope(|scope| {
            let asked = scope.spawn(|| conn.query(&query));
            until("it sleeps", || (count(server, &running) == 1).then_some(()));
            stop.cancel();
            asked.join().expect("an answer")
        });
        let error = answer.expect_err("cancelled");
        assert_eq!(error.kind, ErrorKind::Cancelled, "{kind:?}: {error}");
        conn.ping().expect("it is of use again");
    }
}

#[test]
fn source_servers_restart_is_noticed_and_the_next_query_works() {
    let Some(mut server) = Server::start(Kind::Postgres) else {
        return;
    };
    let always = PoolLimits {
        ping_idle_ms: 0,
        ..PoolLimits::default()
    };
    let trying = pool(&server.source(), always);
    let trusting = pool(&server.source(), PoolLimits::default());
    let query = Query::new("SELECT 1", "test");
    let first = trying.run(&query).expect("a row").connection;
    trusting.run(&query).expect("a row");
    let mut ear = Listener::open(&server.source(), Some(&secret()), "news").expect("an ear");
    server.stop();
    let error = trying.run(&query).expect_err("nobody is there");
    assert_eq!(error.kind, ErrorKind::Connect, "{error}");
    server.run();
    let lost = within(10_000, "the ear hears that it is deaf", || {
        ear.next(100).err()
    });
    assert_eq!(lost.kind, ErrorKind::Gone);
    assert_ne!(trying.run(&query).expect("a row").connection, first);
    assert_eq!(trying.gauges().ping_failures, 1);
    trusting
        .run(&query)
        .expect("a row, from a connection that was replaced");
    assert_eq!(trusting.gauges().opened, 2);
}

#[test]
fn source_servers_killed_mysql_connection_is_replaced() {
    let Some(server) = shared(Kind::Maria) else {
        return;
    };
    let pool = pool(&server.source(), PoolLimits::default());
    let query = Query::new("SELECT 1", "test");
    let id = pool.run(&query).expect("a row").connection;
    server.make(&format!("KILL CONNECTION {id}"));
    assert_ne!(pool.run(&query).expect("a row").connection, id);
}

#[test]
fn source_servers_leaked_connection_is_named_ended_and_its_place_free() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let owner = fresh("leak");
    let one = PoolLimits {
        max: 1,
        acquire_ms: 50,
        ..PoolLimits::default()
    };
    let pool = pool(&server.source(), one);
    let held = pool
        .checkout(&owner, "SELECT held", 1_000)
        .expect("a connection");
    let query = Query::new("SELECT 1", "other");
    let error = pool.run(&query).expect_err("none is free");
    assert_eq!(error.kind, ErrorKind::Pool);
    assert!(error.message.contains("1 of 1"), "{error}");
    let there =
        format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'crake/{owner}'");
    assert_eq!(count(server, &there), 1);
    assert_eq!(pool.check(mono()), []);
    let events = pool.check(mono() + 10_000);
    let said = format!("{events:?}");
    assert!(
        said.contains(&owner) && said.contains("SELECT held"),
        "{said}"
    );
    pool.run(&query).expect("its place is free");
    until("it is ended on the server", || {
        (count(server, &there) == 0).then_some(())
    });
    drop(held);
    let gauges = pool.gauges();
    assert_eq!(
        (gauges.leaks, gauges.size, gauges.acquire_timeouts),
        (1, 1, 1)
    );
}

#[test]
fn source_servers_notifications_wake() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let channel = fresh("News \"of\" the day");
    let mut ear = Listener::open(&server.source(), Some(&secret()), &channel).expect("an ear");
    assert_eq!(ear.next(1), Ok(Heard::Quiet));
    let quoted = channel.replace('"', "\"\"");
    server.put(&format!("NOTIFY \"{quoted}\", 'x'"));
    let heard = until("the notification comes", || match ear.next(100) {
        Ok(Heard::Quiet) => None,
        other => Some(other),
    });
    assert_eq!(
        heard,
        Ok(Heard::Notified {
            payload: "x".to_owned()
        })
    );
    ear.ping().expect("it still answers");
}

#[test]
fn source_servers_that_do_not_answer_are_told_apart() {
    for kind in [Kind::Postgres, Kind::Maria] {
        let Some(server) = shared(kind) else { return };
        let found = |dsn: &str, password: &str| {
            let found = diagnose(&source(dsn, false), Some(&Secret::new(password)), &mono);
            let outcomes: Vec<&str> = found.phases.iter().map(|p| p.outcome.as_str()).collect();
            let hint = found
                .error
                .as_ref()
                .map(|e| e.hint.clone().unwrap_or_default());
            assert_ne!(
                hint.as_deref(),
                Some(""),
                "{dsn}: no tip for {:?}",
                found.error
            );
            (outcomes.join(" "), found.error.map(|e| e.kind))
        };
        let good = server.dsn("");
        assert_eq!(found(&good, PASSWORD), ("ok ok ok ok".to_owned(), None));
        let login = ("ok ok failed skipped".to_owned(), Some(ErrorKind::Login));
        assert_eq!(found(&good, "wrong"), login);
        assert_eq!(found(&good.replace("crake@", "nobody@"), PASSWORD), login);
        let nowhere = good
            .replace("/postgres?", "/nowhere?")
            .replace("/crake?", "/nowhere?");
        assert_eq!(found(&nowhere, PASSWORD), login);
        let port = server.port().to_string();
        let refused = good
            .replace("@localhost:", "@127.0.0.1:")
            .replace(&port, "1");
        let wanted = (
            "ok failed skipped skipped".to_owned(),
            Some(ErrorKind::Connect),
        );
        assert_eq!(found(&refused, PASSWORD), wanted);
        let nobody = good.replace("localhost", "no.such.host.invalid");
        let nobody = nobody.replace("127.0.0.1", "no.such.host.invalid");
        let wanted = (
            "failed skipped skipped skipped".to_owned(),
            Some(ErrorKind::Resolve),
        );
        assert_eq!(found(&nobody, PASSWORD), wanted);
    }
}

#[test]
fn source_servers_without_a_password_say_so() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let mut source = server.source();
    source.password = PasswordFrom::Nowhere;
    let error = diagnose(&source, None, &mono).error.expect("a failure");
    assert_eq!(error.kind, ErrorKind::Login, "{error}");
    assert!(error.hint.expect("a tip").contains("--password"));
}
