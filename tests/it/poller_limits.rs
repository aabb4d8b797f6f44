//! Polls that take too long, give too much, or never give back what they took.

use crake::daemon::poller::{Act, Ask, PollerEvent};
use crake::model::{Cell, PoolLimits, Source};
use crake::source::{ErrorKind, Query};

use crate::support::pollers::{Post, ask};
use crate::support::servers::{Kind, Server, fresh, shared, source};
use crate::support::wait::{mono, within};

const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT";
/// For ever, without a row.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
    SELECT i FROM n WHERE i < 0";

fn memory() -> (tempfile::TempDir, Source) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.db");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE t (id INTEGER)").unwrap();
    (dir, source(&format!("sqlite:{}", path.display()), true))
}

fn count(server: &Server, sql: &str) -> i64 {
    let mut conn = server.open("look").expect("a connection");
    match conn.query(&Query::new(sql, "look")).expect(sql).rows.rows[0][0] {
        Cell::Int(count) => count,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn poller_hands_over_ten_thousand_rows_and_long_ones() {
    let (_dir, source) = memory();
    let mut post = Post::of(&source);
    let sql = format!("{NUMBERS} 10000) SELECT i, 'row ' || i || ' of many' FROM n");
    let rows = post.rows(&sql);
    assert_eq!(rows.len(), 10_000);
    for (n, row) in (1..).zip(&rows) {
        let wanted = [Cell::Int(n), Cell::Text(format!("row {n} of many"))];
        assert_eq!(row, &wanted);
    }
    let long = "SELECT 1, replace(hex(zeroblob(2500000)), '0', 'ä') UNION ALL SELECT 2, 'short'";
    let rows = post.rows(long);
    assert!(rows[0][1] == Cell::Text("ä".repeat(5_000_000)), "as it was");
    assert_eq!(rows[1][1], Cell::Text("short".to_owned()));
}

#[test]
fn poller_takes_no_more_rows_and_bytes_than_it_may() {
    let (_dir, source) = memory();
    let mut post = Post::of(&source);
    let sql = format!("{NUMBERS} 1000000) SELECT i FROM n");
    let reply = post.answer_to(ask(&sql)).result.unwrap();
    assert_eq!(
        (reply.rows.rows.len(), reply.rows.truncated),
        (10_000, true)
    );
    let reply = post.answer_to(Ask {
        max_bytes: 8_000,
        ..ask(&sql)
    });
    let reply = reply.result.unwrap();
    assert_eq!((reply.rows.rows.len(), reply.rows.truncated), (1_000, true));
    let many = Ask {
        max_rows: 1_000_000,
        max_bytes: 64 << 20,
        ..ask(&sql)
    };
    let reply = post.answer_to(many).result.unwrap();
    assert_eq!(
        (reply.rows.rows.len(), reply.rows.truncated),
        (1_000_000, false)
    );
    let beat = post.beat("a beat", |beat| beat.rss > 0);
    assert!(beat.rss < 1 << 30, "{beat:?}");
    // A statement that changes something is not done by halves.
    let insert = format!("INSERT INTO t {NUMBERS} 20000) SELECT i FROM n RETURNING id");
    let e = post.answer_to(Ask {
        write: true,
        ..ask(&insert)
    });
    assert_eq!(e.result.unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!(post.rows("SELECT count(*) FROM t"), [[Cell::Int(0)]]);
}

/// A query that sleeps is stopped at its limit, is gone from the server, and holds nobody up.
fn stopped(kind: Kind, sleep: &str, running: &str) {
    let Some(server) = shared(kind) else { return };
    let mut post = Post::of(&server.source());
    let begin = mono();
    let slow = post.ask(Ask {
        timeout_ms: 700,
        ..ask(sleep)
    });
    assert_eq!(post.rows("SELECT 1"), [[Cell::Int(1)]]);
    let e = post.answer(slow).result.unwrap_err();
    assert_eq!(e.kind, ErrorKind::Timeout, "{e:?}");
    assert!(mono() - begin < 700 + 5_000, "it was in time");
    within(4_000, "the query is gone from the server", || {
        (count(server, running) == 0).then_some(())
    });
}

#[test]
fn poller_stops_a_query_on_postgres_at_its_limit() {
    let mark = fresh("slow");
    let running = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%{mark}%' AND pid <> pg_backend_pid()
         AND state = 'active'"
    );
    let sleep = format!("SELECT pg_sleep(60) AS {mark}");
    stopped(Kind::Postgres, &sleep, &running);
}

#[test]
fn poller_stops_a_query_on_mariadb_at_its_limit() {
    let mark = fresh("slow");
    let running = format!(
        "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%{mark}%'
         AND id <> connection_id()"
    );
    stopped(
        Kind::Maria,
        &format!("SELECT sleep(60) AS {mark}"),
        &running,
    );
}

#[test]
fn poller_stops_queries_of_files_and_commands_at_their_limit() {
    let (dir, source) = memory();
    let mut post = Post::of(&source);
    let short = Ask {
        timeout_ms: 300,
        ..ask(ENDLESS)
    };
    let e = post.answer_to(short.clone()).result.unwrap_err();
    assert_eq!(e.kind, ErrorKind::Timeout);
    assert_eq!(post.rows("SELECT 1"), [[Cell::Int(1)]]);
    let pid = dir.path().join("pid");
    let mut post = Post::at(&format!(
        "exec:echo $$ > {}; sleep 1000 | sleep 1000",
        pid.display()
    ));
    let e = post.answer_to(short).result.unwrap_err();
    assert_eq!(e.kind, ErrorKind::Timeout);
    let pid: i32 = std::fs::read_to_string(pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    crate::support::pollers::until_gone(pid);
}

#[test]
fn poller_has_acts_end_at_their_limit_and_tells_how_far_they_came() {
    let (dir, source) = memory();
    let mut post = Post::of(&source);
    post.act(Act {
        id: 1,
        watch: "orders".to_owned(),
        sql: "INSERT INTO t VALUES (:id)".to_owned(),
        params: vec![vec![("id".to_owned(), Cell::Int(1))]],
        timeout_ms: 10_000,
    });
    let other = rusqlite::Connection::open(dir.path().join("some.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let acted = post.act(Act {
        id: 2,
        watch: "orders".to_owned(),
        sql: "DELETE FROM t WHERE id = :id".to_owned(),
        params: vec![vec![("id".to_owned(), Cell::Int(1))]; 3],
        timeout_ms: 300,
    });
    assert!(acted.affected.is_empty(), "{acted:?}");
    assert_eq!(acted.error.unwrap().kind, ErrorKind::Locked);
}

#[test]
fn poller_tells_a_leak_by_name_and_frees_the_place() {
    let (_dir, source) = memory();
    let source = Source {
        limits: PoolLimits {
            max: 1,
            ..source.limits
        },
        ..source
    };
    let mut post = Post::told(&source, &[("CRAKE_POLLER_LEAK", "orders")]);
    let timeout_ms = 1_000;
    let leaky = Ask {
        timeout_ms,
        ..ask("SELECT 'leaky'")
    };
    let answer = post.answer_to(leaky);
    assert!(answer.result.is_ok(), "{answer:?}");
    let told = post.event_within(timeout_ms + 6_000, "a leak", |event| match event {
        PollerEvent::Leak {
            owner,
            sql,
            held_ms,
            connection,
        } => Some((owner.clone(), sql.clone(), *held_ms, connection.clone())),
        _ => None,
    });
    assert_eq!(
        (told.0.as_str(), told.1.as_str()),
        ("orders", "SELECT 'leaky'")
    );
    assert!(
        told.2 > timeout_ms && told.3.starts_with("file "),
        "{told:?}"
    );
    assert_eq!(post.rows("SELECT 1"), [[Cell::Int(1)]], "the place is free");
    let beat = post.beat("a leak that is counted", |beat| beat.gauges.leaks > 0);
    assert_eq!(beat.gauges.leaks, 1);
}

#[test]
fn poller_answers_more_polls_than_it_has_connections_for() {
    let mut post = Post::at("exec:sleep 0.05; echo '{\"a\":1}'");
    let polls: Vec<_> = (0..40).map(|_| post.ask(ask("x"))).collect();
    for poll in polls {
        let answer = post.answer(poll);
        assert!(answer.result.is_ok(), "{answer:?}");
    }
    // Many threads that work are none that hang.
    let limits = PoolLimits {
        max: 40,
        ..PoolLimits::default()
    };
    let wide = Source {
        limits,
        ..source("exec:sleep 2; echo '{\"a\":1}'", false)
    };
    let mut post = Post::of(&wide);
    let polls: Vec<_> = (0..60).map(|_| post.ask(ask("x"))).collect();
    for poll in polls {
        assert!(post.answer(poll).result.is_ok());
    }
    let limits = PoolLimits {
        max: 1,
        acquire_ms: 500,
        ..PoolLimits::default()
    };
    let source = Source {
        limits,
        ..source("exec:sleep 3; echo '{\"a\":1}'", false)
    };
    let mut post = Post::of(&source);
    let polls: Vec<_> = (0..20).map(|_| post.ask(ask("x"))).collect();
    let answers: Vec<_> = polls.into_iter().map(|poll| post.answer(poll)).collect();
    let full = |e: &crake::daemon::poller::Answer| {
        e.result.as_ref().is_err_and(|e| e.kind == ErrorKind::Pool)
    };
    assert!(
        answers.iter().filter(|e| full(e)).count() >= 18,
        "the others had no connection"
    );
    assert!(answers.iter().any(|a| a.result.is_ok()));
}

/// A server that takes connections and never says anything.
#[test]
fn poller_answers_in_time_whatever_a_server_does_not_say() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    for scheme in ["postgres", "mysql"] {
        let dsn = format!("{scheme}://crake@127.0.0.1:{port}/x?sslmode=disable");
        let mut post = Post::at(&dsn);
        post.listen(&["orders"]);
        let timeout_ms = 500;
        let begin = mono();
        let answer = post.answer_to(Ask {
            timeout_ms,
            ..ask("SELECT 1")
        });
        let e = answer.result.unwrap_err();
        assert_eq!(e.kind, ErrorKind::Timeout, "{scheme}: {e:?}");
        assert!(mono() - begin < timeout_ms + 5_000, "{scheme}: too late");
        post.beat("the loop goes on", |_| true);
        post.event("an ear that is deaf", |event| {
            matches!(event, PollerEvent::Deaf { .. }).then_some(())
        });
    }
}

#[test]
fn poller_gives_up_when_too_many_of_its_threads_hang() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let mut post = Post::at(&format!("postgres://crake@127.0.0.1:{port}/x"));
    let silent = Ask {
        timeout_ms: 100,
        ..ask("SELECT 1")
    };
    // Those that wait in the pool's line come back, those that log in do not; a place that one of
    // these had is free again when it counts as leaked.
    let end = (0..20).find_map(|_| {
        let polls: Vec<_> = (0..4).map(|_| post.ask(silent.clone())).collect();
        polls.into_iter().find_map(|poll| {
            post.event("an answer or the end", |event| match event {
                PollerEvent::Gone { how } => Some(Some(how.clone())),
                PollerEvent::Answered(answer) if answer.poll == poll => {
                    assert!(answer.result.is_err());
                    Some(None)
                }
                _ => None,
            })
        })
    });
    let end = end.expect("an end");
    assert_eq!(end, "it gave up, because too many of its threads hung");
}

#[test]
fn poller_goes_on_beside_a_poll_that_hangs() {
    let (_dir, source) = memory();
    let mut post = Post::told(&source, &[("CRAKE_POLLER_HANG", "stuck")]);
    let stuck = post.ask(Ask {
        watch: "stuck".to_owned(),
        timeout_ms: 100,
        ..ask("SELECT 1")
    });
    assert_eq!(post.rows("SELECT 1"), [[Cell::Int(1)]]);
    let begin = mono();
    while mono() - begin < 5_500 {
        let beat = post.beat("another beat", |_| true);
        assert_eq!(beat.under_way, 1);
    }
    let answered = post
        .events
        .iter()
        .any(|event| matches!(event, PollerEvent::Answered(answer) if answer.poll == stuck));
    assert!(!answered, "that is for tests of those who wait for it");
}

#[test]
fn poller_answers_a_panic_with_an_error() {
    let (_dir, source) = memory();
    let mut post = Post::told(&source, &[("CRAKE_POLLER_PANIC", "bad")]);
    let e = post.answer_to(Ask {
        watch: "bad".to_owned(),
        ..ask("SELECT 1")
    });
    let e = e.result.unwrap_err();
    assert_eq!(
        (e.kind, e.message.as_str()),
        (ErrorKind::Gone, "the driver failed")
    );
    assert_eq!(post.rows("SELECT 1"), [[Cell::Int(1)]]);
}
