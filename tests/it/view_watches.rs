//! How watches stand, state by state, judged from rows alone; and what of it needs attention.

use crake::model::{RunId, WatchState};
use crake::schedule::{UnixMs, Zone};
use crake::store::Store;
use crake::view::Daemon;
use crake::view::attention::{Attention, Kind, Level, attention};
use crake::view::watches::{WatchView, views};
use rusqlite::Connection;

use crate::support::bench::Bench;
use crate::support::lookout::{Poll, every_state, gauge, poll, source, stands, watch};

const NOW: UnixMs = 1_789_953_164_000;

fn up() -> Daemon {
    Daemon {
        up: true,
        pid: Some(1),
        beat_age_ms: Some(3),
        since: Some(NOW - 3_600_000),
        ..Daemon::default()
    }
}

/// A watch `w` of 10 s on a source `shop`, made an hour ago.
fn one() -> (Bench, Store, Connection) {
    let bench = Bench::new();
    bench.job("ship", None, NOW - 3_600_000);
    let mut store = bench.store();
    let made = NOW - 3_600_000;
    store
        .put_source(&source("shop", made), None, false, made)
        .unwrap();
    store.put_watch(&watch("w"), false, "ana", made).unwrap();
    let sql = Connection::open(bench.paths().store).unwrap();
    (bench, store, sql)
}

fn look(store: &Store, now: UnixMs) -> WatchView {
    views(store, &up(), now).unwrap().remove(0)
}

fn state(store: &Store, now: UnixMs) -> WatchState {
    look(store, now).health.state
}

fn found(store: &Store, daemon: &Daemon) -> Vec<Attention> {
    attention(store, daemon, &Zone::utc(), NOW).unwrap()
}

#[test]
fn view_watches_are_overdue_two_seconds_and_an_interval_after_their_time() {
    let (_bench, store, sql) = one();
    poll("w", NOW - 10_000).write(&sql);
    stands(&sql, "w", NOW, None);
    assert_eq!(state(&store, NOW), WatchState::Idle);
    assert_eq!(state(&store, NOW + 12_000), WatchState::Idle);
    let late = look(&store, NOW + 12_001);
    assert_eq!(late.health.state, WatchState::Stalled);
    assert_eq!(late.health.why, "its poll is 12.0s late");
    // Long intervals are given half a minute, not as long again.
    sql.execute_batch("UPDATE watch SET spec = json_set(spec, '$.every_ms', 3600000)")
        .unwrap();
    assert_eq!(state(&store, NOW + 32_000), WatchState::Idle);
    assert_eq!(state(&store, NOW + 32_001), WatchState::Stalled);
}

#[test]
fn view_watches_stall_when_a_poll_outlives_its_limit_and_the_grace() {
    let (_bench, store, sql) = one();
    Poll {
        outcome: "running",
        ..poll("w", NOW)
    }
    .write(&sql);
    stands(&sql, "w", NOW, None);
    assert_eq!(state(&store, NOW + 35_000), WatchState::Running);
    assert_eq!(state(&store, NOW + 35_001), WatchState::Stalled);
}

#[test]
fn view_watches_of_a_silent_poller_or_no_daemon_are_stalled_whatever_rows_say() {
    let (_bench, store, sql) = one();
    poll("w", NOW).write(&sql);
    stands(&sql, "w", NOW + 10_000, None);
    gauge(&sql, "shop", NOW, 0);
    assert_eq!(state(&store, NOW), WatchState::Idle);
    sql.execute_batch(&format!("UPDATE gauge SET silent_since = {NOW}"))
        .unwrap();
    let silent = look(&store, NOW + 4_000);
    assert_eq!(silent.health.state, WatchState::Stalled);
    assert_eq!(silent.health.since, Some(NOW));
    sql.execute_batch("UPDATE gauge SET silent_since = NULL")
        .unwrap();
    let without = views(&store, &Daemon::default(), NOW).unwrap().remove(0);
    assert_eq!(without.health.state, WatchState::Stalled);
}

#[test]
fn view_watches_are_active_for_an_interval_after_they_found_something() {
    let (_bench, store, sql) = one();
    Poll {
        outcome: "ok",
        fresh: Some(3),
        took_ms: Some(1_000),
        ..poll("w", NOW)
    }
    .write(&sql);
    stands(&sql, "w", NOW + 10_000, None);
    assert_eq!(state(&store, NOW + 11_000), WatchState::Active);
    assert_eq!(state(&store, NOW + 11_001), WatchState::Idle);
    let behind = r#"{"begun": true, "page": {"after": [{"int": 7}], "oldest": null}}"#;
    sql.execute("UPDATE watch SET memory = ?1", [behind])
        .unwrap();
    assert_eq!(state(&store, NOW + 2_000), WatchState::Lagging);
}

#[test]
fn view_watches_that_fail_need_attention_from_the_second_time_on_and_action_from_the_fifth() {
    let (_bench, store, sql) = one();
    stands(&sql, "w", NOW + 10_000, None);
    let mut levels = Vec::new();
    for fails in 1..=6 {
        Poll {
            outcome: "error",
            error: Some("sql: no such table: orders"),
            fails,
            ..poll("w", NOW - 100 + fails)
        }
        .write(&sql);
        assert_eq!(state(&store, NOW), WatchState::Failing);
        levels.push(found(&store, &up()).first().map(|a| a.level));
    }
    use Level::{Urgent, Warning};
    let wanted = [
        None,
        Some(Warning),
        Some(Warning),
        Some(Warning),
        Some(Urgent),
        Some(Urgent),
    ];
    assert_eq!(levels, wanted);
    let a = found(&store, &up()).remove(0);
    assert_eq!(
        (a.what, a.watch.as_deref(), a.text.as_str()),
        (
            "FAILING",
            Some("w"),
            "6 polls in a row: sql: no such table: orders"
        )
    );
    // A poll under way does not hide it.
    Poll {
        outcome: "running",
        fails: 6,
        ..poll("w", NOW)
    }
    .write(&sql);
    assert_eq!(state(&store, NOW), WatchState::Running);
    assert_eq!(found(&store, &up()).len(), 1);
    poll("w", NOW + 1).write(&sql);
    assert_eq!(found(&store, &up()), []);
}

#[test]
fn view_watches_in_every_state_are_told_apart() {
    let bench = Bench::new();
    bench.job("ship", None, NOW - 3_600_000);
    let mut store = bench.store();
    let sql = Connection::open(bench.paths().store).unwrap();
    every_state(&mut store, &sql, NOW);
    let all = views(&store, &up(), NOW).unwrap();
    let states: Vec<(&str, WatchState)> = all
        .iter()
        .map(|view| (view.row.watch.name.as_str(), view.health.state))
        .collect();
    assert_eq!(
        states,
        [
            ("audit", WatchState::Idle),
            ("backlog", WatchState::Running),
            ("invoices", WatchState::Paused),
            ("late", WatchState::Stalled),
            ("orders", WatchState::Active),
            ("prices", WatchState::Failing),
            ("stock", WatchState::NoSource),
            ("transfers", WatchState::Blocked),
        ]
    );
    let orders = &all[4];
    assert_eq!(orders.cursor(), serde_json::json!(4_060));
    assert!(orders.runs_1h > 40 && orders.hour.len() == 12, "{orders:?}");
    let transfers = all.last().unwrap();
    assert!(transfers.blocking.is_some());
    let list = found(&store, &up());
    let said: Vec<(&str, Level, Option<&str>)> = list
        .iter()
        .filter(|a| a.watch.is_some())
        .map(|a| (a.what, a.level, a.watch.as_deref()))
        .collect();
    for wanted in [
        ("STALLED", Level::Urgent, Some("late")),
        ("NO SOURCE", Level::Urgent, Some("stock")),
        ("FAILING", Level::Urgent, Some("prices")),
        ("BLOCKED", Level::Warning, Some("transfers")),
    ] {
        assert!(said.contains(&wanted), "{wanted:?}\n{list:#?}");
    }
    let blocked = list.iter().find(|a| a.what == "BLOCKED").unwrap();
    let RunId(run) = blocked.run.unwrap();
    assert_eq!(
        blocked.hint,
        format!("crake retry {run}, or crake watch skip transfers")
    );
    // Without a daemon it is one fact, not one for each watch.
    let down = found(&store, &Daemon::default());
    assert!(!down.iter().any(|a| a.what == "STALLED"), "{down:#?}");
    assert!(down.iter().any(|a| a.what == "DOWN"), "{down:#?}");
}

#[test]
fn view_watches_without_their_job_need_attention() {
    let (_bench, mut store, sql) = one();
    stands(&sql, "w", NOW + 10_000, None);
    store.remove_job("ship", "ana", NOW).unwrap();
    let view = look(&store, NOW);
    assert_eq!(view.health.state, WatchState::Failing);
    assert_eq!(view.error().as_deref(), Some("there is no job ship"));
    let a = found(&store, &up()).remove(0);
    assert_eq!((a.level, a.what), (Level::Urgent, "FAILING"));
}

#[test]
fn view_watches_leaks_are_said_for_an_hour_and_lost_listeners_as_long_as_they_are() {
    let (_bench, mut store, sql) = one();
    let listening = crake::model::Watch {
        listen: Some("data_version".to_owned()),
        ..watch("x")
    };
    store.put_watch(&listening, false, "ana", NOW).unwrap();
    for name in ["w", "x"] {
        stands(&sql, name, NOW + 10_000, None);
    }
    gauge(&sql, "shop", NOW, 2);
    sql.execute_batch(&format!("UPDATE gauge SET lost_at = {NOW} - 60000"))
        .unwrap();
    let leak = |at| crake::model::Note {
        at,
        level: crake::model::Level::Warn,
        kind: "leak".to_owned(),
        job: None,
        run: None,
        text: "held for 40s".to_owned(),
    };
    store.note_of_watch("w", &leak(NOW - 60_000)).unwrap();
    store.note_of_watch("x", &leak(NOW - 3_600_001)).unwrap();
    let list = found(&store, &up());
    let kinds: Vec<(Kind, Option<&str>)> =
        list.iter().map(|a| (a.kind, a.watch.as_deref())).collect();
    assert_eq!(kinds.len(), 2, "{list:#?}");
    assert!(kinds.contains(&(Kind::Leak, Some("w"))), "{list:#?}");
    assert!(kinds.contains(&(Kind::Listener, Some("x"))), "{list:#?}");
}

/// Polls of a watch that had the name before once made a new one failing.
#[test]
fn view_watches_do_not_inherit_the_polls_of_another_of_their_name() {
    let (_bench, mut store, sql) = one();
    Poll {
        outcome: "error",
        fails: 9,
        ..poll("w", NOW - 60_000)
    }
    .write(&sql);
    store.remove_watch("w", "ana", NOW - 1_000).unwrap();
    store.put_watch(&watch("w"), false, "ana", NOW).unwrap();
    assert_eq!(state(&store, NOW), WatchState::Idle);
}

/// Renaming a job once left its watches with one that is not there.
#[test]
fn view_watches_follow_their_job_to_its_new_name() {
    let (_bench, mut store, _sql) = one();
    store.rename_job("ship", "send", "ana", NOW).unwrap();
    let row = store.watch("w").unwrap().unwrap();
    assert_eq!(row.watch.job, "send");
}
