//! What somebody should look at among watches and the connections to their sources.

use crate::model::WatchState;
use crate::schedule::UnixMs;
use crate::store::{Result, Store};
use crate::view::Daemon;
use crate::view::attention::{Attention, Kind, Level};
use crate::view::watches::{WatchView, standings};
use crate::view::words::count;

/// So many polls in a row that went wrong are worth a look, and so many need somebody to act.
const FAILS: i64 = 2;
const MANY_FAILS: i64 = 5;

/// How long a leak is shown, milliseconds.
const LEAK_MS: i64 = 3_600_000;

/// Applies the rules about watches.
///
/// # Errors
/// Those of reading.
pub fn of_watches(store: &Store, daemon: &Daemon, now: UnixMs) -> Result<Vec<Attention>> {
    let views = standings(store, daemon, now)?;
    let mut found: Vec<Attention> = views
        .iter()
        .filter_map(|v| standing(v, daemon.up))
        .collect();
    for view in &views {
        found.extend(leaks(store, view, now)?);
        found.extend(listener(view, daemon.up));
    }
    for (name, why) in store.unreadable_watches()? {
        found.push(Attention {
            level: Level::Urgent,
            kind: Kind::Watch(WatchState::Failing),
            what: "WATCH",
            job: None,
            run: None,
            since: None,
            text: format!("it cannot be read: {why}"),
            hint: format!("crake watch rm {name}"),
            watch: Some(name),
        });
    }
    Ok(found)
}

fn about(view: &WatchView, level: Level, what: &'static str, text: String) -> Attention {
    Attention {
        level,
        kind: Kind::Watch(view.health.state),
        what,
        job: Some(view.row.watch.job.clone()),
        run: None,
        watch: Some(view.row.watch.name.clone()),
        since: view.health.since,
        text,
        hint: format!("crake watch show {}", view.row.watch.name),
    }
}

fn standing(view: &WatchView, up: bool) -> Option<Attention> {
    let name = &view.row.watch.name;
    let why = || view.health.why.clone();
    match view.health.state {
        WatchState::Paused => None,
        // Without a daemon every watch is stalled, and that one fact is on the list already.
        WatchState::Stalled => up.then(|| about(view, Level::Urgent, "STALLED", why())),
        WatchState::NoSource => Some(Attention {
            hint: format!("crake source add {} DSN", view.row.watch.source),
            ..about(view, Level::Urgent, "NO SOURCE", why())
        }),
        WatchState::Failing if view.fails() == 0 => {
            Some(about(view, Level::Urgent, "FAILING", why()))
        }
        WatchState::Blocked if view.blocking.is_some() => {
            let run = view.blocking;
            let number = run.map_or(String::new(), |run| run.to_string());
            Some(Attention {
                run,
                hint: format!("crake retry {number}, or crake watch skip {name}"),
                ..about(view, Level::Warning, "BLOCKED", why())
            })
        }
        _ if view.fails() >= FAILS => {
            let level = match view.fails() {
                MANY_FAILS.. => Level::Urgent,
                _ => Level::Warning,
            };
            let said = view.error().unwrap_or_default();
            let text = format!("{} in a row: {said}", count(view.fails(), "poll"));
            Some(Attention {
                // It was well until then.
                since: view.row.last_ok.or(view.health.since),
                hint: format!("crake watch polls {name} --failed"),
                ..about(view, level, "FAILING", text)
            })
        }
        _ => None,
    }
}

/// Connections that a watch held too long, for an hour.
fn leaks(store: &Store, view: &WatchView, now: UnixMs) -> Result<Option<Attention>> {
    let any = view.gauge.as_ref().and_then(|g| g.figure("leaks"));
    if any.is_none_or(|n| n == 0) {
        return Ok(None);
    }
    let name = &view.row.watch.name;
    let (leaks, last) = store.told_of_watch(name, "leak", now - LEAK_MS)?;
    if leaks == 0 {
        return Ok(None);
    }
    let source = &view.row.watch.source;
    let text = format!(
        "{} to {source} held too long and given up",
        count(leaks, "connection")
    );
    Ok(Some(Attention {
        kind: Kind::Leak,
        since: Some(last),
        hint: format!("crake events --watch {name}"),
        ..about(view, Level::Warning, "LEAK", text)
    }))
}

fn listener(view: &WatchView, up: bool) -> Option<Attention> {
    let lost = view.gauge.as_ref().and_then(|g| g.lost_at)?;
    let channel = view.row.watch.listen.as_ref().filter(|_| up)?;
    if view.health.state == WatchState::Paused {
        return None;
    }
    let text = format!("nobody listens on {channel}; only the timer polls");
    Some(Attention {
        kind: Kind::Listener,
        since: Some(lost),
        hint: format!("crake source test {}", view.row.watch.source),
        ..about(view, Level::Warning, "LISTENER", text)
    })
}
