//! Being told that something happened, through a poller.

use rustix::process::{Pid, Signal, kill_process};

use crake::daemon::poller::{Ask, PollerEvent};
use crake::model::Cell;
use crake::source::ErrorKind;

use crate::support::pollers::{Post, ask};
use crate::support::servers::{Kind, Server, fresh, shared};
use crate::support::wait::mono;

fn deaf(post: &mut Post, name: &str) -> (i64, ErrorKind) {
    post.event("an ear that is deaf", |event| match event {
        PollerEvent::Deaf {
            channel,
            since,
            error,
        } if channel == name => Some((*since, error.kind)),
        _ => None,
    })
}

#[test]
fn poller_hears_notifications_on_the_channels_that_are_wanted() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let (one, other) = (fresh("One"), fresh("other"));
    let mut post = Post::of(&server.source());
    post.listen(&[&one, &other]);
    assert_eq!(post.listening(&one), None);
    assert_eq!(post.listening(&other), None);
    let begin = mono();
    server.put(&format!(
        "SELECT pg_notify('{one}', 'x') FROM generate_series(1, 1000)"
    ));
    post.heard(&one);
    assert!(mono() - begin < 20_000, "long before a ping");
    let both = [one.clone(), other.clone()].into();
    post.beat("both in a beat", |beat| beat.listening == both);
    post.listen(&[&other]);
    let only = [other.clone()].into();
    post.beat("one in a beat", |beat| beat.listening == only);
    server.put(&format!("SELECT pg_notify('{one}', '')"));
    server.put(&format!("SELECT pg_notify('{other}', '')"));
    post.heard(&other);
    let stray = post
        .events
        .iter()
        .any(|event| matches!(event, PollerEvent::Heard { channel } if *channel == one));
    assert!(!stray, "{:?}", post.events);
    assert_eq!(post.rows("SELECT 1"), [[Cell::Int(1)]]);
}

#[test]
fn poller_tells_when_it_was_deaf_and_listens_again() {
    let Some(mut server) = Server::start(Kind::Postgres) else {
        return;
    };
    let mut post = Post::of(&server.source());
    post.listen(&["orders"]);
    assert_eq!(post.listening("orders"), None);
    server.stop();
    let (since, kind) = deaf(&mut post, "orders");
    assert_eq!(kind, ErrorKind::Gone);
    post.beat("none in a beat", |beat| beat.listening.is_empty());
    server.run();
    assert_eq!(post.listening("orders"), Some(since));
    server.put("SELECT pg_notify('orders', '')");
    post.heard("orders");
}

/// Processes that serve a server's clients, and all its others.
fn children_of(server: &Server) -> Vec<Pid> {
    let file = server.dir().join("data/postmaster.pid");
    let text = std::fs::read_to_string(file).unwrap();
    let master = text.lines().next().unwrap().to_owned();
    let children = format!("/proc/{master}/task/{master}/children");
    let children = std::fs::read_to_string(children).unwrap();
    let pids = children.split_ascii_whitespace().chain([master.as_str()]);
    pids.map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap())
        .collect()
}

#[test]
fn poller_notices_a_server_that_is_there_and_does_nothing() {
    let Some(server) = Server::start(Kind::Postgres) else {
        return;
    };
    let mut post = Post::of(&server.source());
    post.listen(&["orders"]);
    post.listening("orders");
    assert_eq!(post.rows("SELECT 1"), [[Cell::Int(1)]]);
    let stopped = children_of(&server);
    let signal = |signal| {
        for pid in &stopped {
            // Some of them come and go.
            let _ = kill_process(*pid, signal);
        }
    };
    signal(Signal::STOP);
    let begin = mono();
    let e = post.answer_to(Ask {
        timeout_ms: 500,
        ..ask("SELECT 2")
    });
    assert_eq!(e.result.unwrap_err().kind, ErrorKind::Timeout);
    assert!(mono() - begin < 500 + 5_000, "it was in time");
    let since = post.event_within(60_000, "an ear that is deaf", |event| match event {
        PollerEvent::Deaf { since, .. } => Some(*since),
        _ => None,
    });
    signal(Signal::CONT);
    let again = post.event_within(60_000, "an open ear", |event| match event {
        PollerEvent::Listening { again_after, .. } => Some(*again_after),
        _ => None,
    });
    assert_eq!(again, Some(since));
    server.put("SELECT pg_notify('orders', '')");
    post.heard("orders");
    assert_eq!(post.rows("SELECT 3"), [[Cell::Int(3)]]);
}

#[test]
fn poller_hears_of_commits_into_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (id)")
        .unwrap();
    let mut post = Post::at(&format!("sqlite:{}", path.display()));
    post.listen(&["data_version"]);
    assert_eq!(post.listening("data_version"), None);
    let mut late = 0;
    for id in 0..20 {
        conn.execute("INSERT INTO t VALUES (?)", [id]).unwrap();
        let begin = mono();
        post.heard("data_version");
        late += i32::from(mono() - begin >= 250);
    }
    assert!(late <= 5, "{late} of 20 were told later than 250 ms");
    // Another file under the same name: what was in it before is not known.
    std::fs::rename(&path, dir.path().join("old.db")).unwrap();
    let (since, kind) = deaf(&mut post, "data_version");
    assert_eq!(kind, ErrorKind::Gone);
    let new = rusqlite::Connection::open(&path).unwrap();
    new.execute_batch("CREATE TABLE t (id)").unwrap();
    assert_eq!(post.listening("data_version"), Some(since));
    new.execute("INSERT INTO t VALUES (1)", []).unwrap();
    post.heard("data_version");
}

#[test]
fn poller_says_what_cannot_be_listened_to() {
    let mut post = Post::at("exec:true");
    post.listen(&["orders"]);
    assert_eq!(deaf(&mut post, "orders").1, ErrorKind::Config);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    drop(rusqlite::Connection::open(&path).unwrap());
    let mut post = Post::at(&format!("sqlite:{}", path.display()));
    post.listen(&["orders"]);
    assert_eq!(deaf(&mut post, "orders").1, ErrorKind::Config);
}
