//! Pollers that are stopped, killed, left alone; and what others can see of them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crake::daemon::poller::{Ask, Launch, Poller};
use crake::model::{Cell, PasswordFrom, Source};
use crake::source::Query;

use crate::support::pollers::{Post, ask, until_gone};
use crate::support::servers::{Kind, PASSWORD, fresh, shared, source};
use crate::support::wait::{mono, until, within};

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn sleeper() -> Post {
    Post::at("exec:echo '{\"a\":1}'; exec sleep 1000")
}

/// The processes of a session but the one that leads it.
fn session_of(leader: i32) -> BTreeSet<i32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    let of = |pid: &i32| {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            return false;
        };
        let rest = stat.rsplit(')').next().unwrap_or("");
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let (state, session) = (fields[0], fields[3]);
        // Orphans that are dead wait for whoever collects them here.
        *pid != leader && session == leader.to_string() && !matches!(state, "Z" | "X")
    };
    pids.filter(of).collect()
}

#[test]
fn poller_beats_each_second_and_tells_its_figures() {
    let mut post = Post::at("exec:echo '{\"a\":1}'");
    post.answer_to(ask("x")).result.unwrap();
    let beat = post.beat("a beat after the poll", |beat| beat.gauges.opened == 1);
    assert_eq!(
        (beat.gauges.size, beat.gauges.idle, beat.under_way),
        (1, 1, 0)
    );
    assert!(beat.rss > 1 << 20, "{beat:?}");
    for _ in 0..3 {
        post.beat("another beat", |_| true);
        assert!(post.poller.silent_ms(mono()) < 3_000);
    }
}

#[test]
fn poller_that_is_stopped_falls_silent_and_can_be_killed() {
    let mut post = sleeper();
    post.ask(ask("x"));
    let pid = post.poller.pid();
    let left = until("a command that runs", || {
        Some(session_of(pid)).filter(|left| !left.is_empty())
    });
    signal(pid, Signal::STOP);
    until("it is silent", || {
        post.poller.hear(mono());
        (post.poller.silent_ms(mono()) > 3_000).then_some(())
    });
    post.poller.kill();
    assert_eq!(post.gone(), "it was killed by signal 9");
    assert!(
        !fs::exists(format!("/proc/{pid}")).unwrap(),
        "it was waited for"
    );
    left.into_iter().for_each(until_gone);
    assert!(post.poller.hear(mono()).is_empty(), "that is told once");
}

#[test]
fn poller_that_is_killed_is_told_gone_and_leaves_nothing() {
    let mut post = sleeper();
    post.ask(ask("x"));
    let pid = post.poller.pid();
    until("a command that runs", || {
        (!session_of(pid).is_empty()).then_some(())
    });
    signal(pid, Signal::KILL);
    assert_eq!(post.gone(), "it was killed by signal 9");
    assert_eq!(session_of(pid), BTreeSet::new());
}

#[test]
fn poller_that_is_dropped_or_told_to_leave_is_gone() {
    let mut post = sleeper();
    post.ask(ask("x"));
    let pid = post.poller.pid();
    until("a command that runs", || {
        (!session_of(pid).is_empty()).then_some(())
    });
    post.poller.leave();
    assert_eq!(post.gone(), "it left");
    assert_eq!(session_of(pid), BTreeSet::new());
    let post = sleeper();
    let pid = post.poller.pid();
    drop(post);
    until_gone(pid);
}

#[test]
fn poller_without_a_program_is_an_error() {
    let launch = Launch {
        program: "/nonexistent/crake".into(),
        environment: Vec::new(),
    };
    let source = source("exec:true", false);
    assert!(Poller::start(&launch, &source, None, mono()).is_err());
    let launch = Launch {
        program: "/bin/true".into(),
        environment: Vec::new(),
    };
    let poller = Poller::start(&launch, &source, None, mono()).unwrap();
    let mut post = Post::over(poller);
    assert_eq!(post.gone(), "it left");
    // What it says in its last moment is told, the last line of it.
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("crake");
    fs::write(
        &program,
        "#!/bin/sh\necho a >&2; echo 'out of \u{1b}[1mmemory' >&2; kill -ABRT $$\n",
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let launch = Launch {
        program,
        environment: Vec::new(),
    };
    let mut post = Post::over(Poller::start(&launch, &source, None, mono()).unwrap());
    assert_eq!(post.gone(), "it was killed by signal 6: out of [1mmemory");
}

/// A core that dies with a query under way: this test, in a process of its own.
#[test]
fn poller_ends_with_the_core_and_so_does_its_query() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let mark = fresh("orphan");
    let mut core = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "poller_ends::poller_core_that_dies",
            "--nocapture",
        ])
        .arg("--ignored")
        .env("CRAKE_TEST_DSN", server.dsn(""))
        .env("CRAKE_TEST_MARK", &mark)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(core.stdout.take().unwrap()).lines();
    let poller: i32 = said
        .map_while(Result::ok)
        .find_map(|line| line.split("POLLER ").nth(1)?.parse().ok())
        .expect("a poller");
    let running = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%{mark}%' AND state = 'active'
         AND pid <> pg_backend_pid()"
    );
    let count = || {
        let mut conn = server.open("look").unwrap();
        conn.query(&Query::new(&running, "look")).unwrap().rows.rows[0][0].clone()
    };
    until("a query that runs", || {
        (count() == Cell::Int(1)).then_some(())
    });
    core.kill().unwrap();
    core.wait().unwrap();
    within(5_000, "the poller is gone", || {
        crake::process::identity::start_time(poller)
            .is_none()
            .then_some(())
    });
    within(5_000, "its query is gone", || {
        (count() == Cell::Int(0)).then_some(())
    });
}

#[test]
#[ignore = "it is the core that the test above kills"]
fn poller_core_that_dies() {
    let (Ok(dsn), Ok(mark)) = (
        std::env::var("CRAKE_TEST_DSN"),
        std::env::var("CRAKE_TEST_MARK"),
    ) else {
        return;
    };
    let mut post = Post::at(&dsn);
    let poll = post.ask(Ask {
        timeout_ms: 300_000,
        ..ask(&format!("SELECT pg_sleep(1000) AS {mark}"))
    });
    println!("\nPOLLER {}", post.poller.pid());
    post.answer(poll);
}

#[test]
fn poller_stopped_when_the_core_dies_ends_all_the_same() {
    let mut core = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "poller_ends::poller_core_that_dies",
            "--nocapture",
        ])
        .arg("--ignored")
        .env("CRAKE_TEST_DSN", "exec:sleep 1000")
        .env("CRAKE_TEST_MARK", "x")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(core.stdout.take().unwrap()).lines();
    let poller: i32 = said
        .map_while(Result::ok)
        .find_map(|line| line.split("POLLER ").nth(1)?.parse().ok())
        .expect("a poller");
    let left = until("a command that runs", || {
        Some(session_of(poller)).filter(|left| !left.is_empty())
    });
    signal(poller, Signal::STOP);
    core.kill().unwrap();
    core.wait().unwrap();
    let gone = |pid: i32| crake::process::identity::start_time(pid).is_none();
    within(5_000, "the poller is gone", || gone(poller).then_some(()));
    left.into_iter().for_each(until_gone);
}

#[test]
fn poller_shows_no_password_to_ps_and_is_named_there() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let source = server.source();
    // A variable of this process, which must not be one of the poller's.
    let by_variable = Source {
        password: PasswordFrom::Env("CARGO_MANIFEST_DIR".to_owned()),
        ..crate::support::servers::source(
            "exec:echo \"{\\\"a\\\":\\\"$SOURCE_PASSWORD\\\"}\"",
            false,
        )
    };
    let mut post = Post::of(&by_variable);
    let rows = post.answer_to(ask("x")).result.unwrap().rows.rows;
    let dir = env!("CARGO_MANIFEST_DIR");
    assert_eq!(rows, [[Cell::Text(dir.to_owned())]]);
    let pid = post.poller.pid();
    let file = |pid: i32, name: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    assert!(!file(pid, "environ").contains("CARGO_MANIFEST_DIR"));
    let mut post = Post::of(&source);
    assert_eq!(post.rows("SELECT 1"), [[Cell::Int(1)]]);
    let pid = post.poller.pid();
    for name in ["cmdline", "environ", "comm", "status"] {
        assert!(!file(pid, name).contains(PASSWORD), "{name}");
    }
    assert_eq!(file(pid, "cmdline"), "crake: poller test\0__poller\0");
    assert_eq!(file(pid, "comm"), "crake-poller\n");
    let limits = file(pid, "limits");
    let core = limits.lines().find(|l| l.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap().split_ascii_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "no core dump");
    assert_eq!(file(pid, "oom_score_adj"), "300\n");
    let open = fs::read_dir(format!("/proc/{pid}/fd")).map(|fds| fds.count());
    assert!(
        open.is_ok_and(|count| count < 16),
        "nothing strange is open"
    );
    // A command that prints its password in an error does not get it any further.
    let mut post = Post::at("exec:echo \"bad password: $SOURCE_PASSWORD\" >&2; exit 1");
    let e = post.answer_to(ask("x")).result.unwrap_err();
    assert_eq!(e.message, "bad password: ***");
}
