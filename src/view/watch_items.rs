//! Watches and their polls as items of JSON answers, and in words.

use serde_json::{Value, json};

use crate::model::{Initial, RunId, Watch};
use crate::schedule::{UnixMs, Zone};
use crate::store::{GaugeRow, PollRow, WatchRow};
use crate::view::time::rfc3339;
use crate::view::watches::WatchView;

fn at(at: Option<UnixMs>, zone: &Zone) -> Value {
    at.map_or(Value::Null, |at| Value::String(rfc3339(at, zone)))
}

/// The figures of a pool; every key is there, with null where no process has said anything yet.
pub fn pool(gauge: Option<&GaugeRow>, zone: &Zone) -> Value {
    let figure = |name: &str| gauge.and_then(|g| g.figure(name));
    json!({
        "size": figure("size"),
        "idle": figure("idle"),
        "in_use": figure("in_use"),
        "waiters": figure("waiters"),
        "leaks": figure("leaks"),
        "longest_wait_ms": figure("longest_wait_ms"),
        "acquire_timeouts": figure("acquire_timeouts"),
        "opened": figure("opened"),
        "closed": figure("closed"),
        "ping_failures": figure("ping_failures"),
        "at": at(gauge.map(|g| g.at), zone),
        "listening": gauge.map(|g| g.listening),
        "listener_lost_at": at(gauge.and_then(|g| g.lost_at), zone),
        "silent_since": at(gauge.and_then(|g| g.silent_since), zone),
        "pid": gauge.and_then(|g| g.pid),
    })
}

/// A pool in few columns: in use of how many, as `1/4`, and what is out of the ordinary.
pub fn pool_in_short(gauge: &GaugeRow, max: Option<u32>) -> String {
    let figure = |name: &str| gauge.figure(name).unwrap_or(0);
    let max = max.map_or_else(|| figure("size"), i64::from);
    let mut text = format!("{}/{max}", figure("in_use"));
    for (name, word) in [("waiters", "wait"), ("leaks", "leaked")] {
        if figure(name) > 0 {
            text.push_str(&format!(" {} {word}", figure(name)));
        }
    }
    text
}

/// A watch, for `watch ls`.
pub fn watch(view: &WatchView, zone: &Zone) -> Value {
    let row = &view.row;
    let last = view.last.as_ref();
    let ended = view.ended.as_ref();
    json!({
        "watch": row.watch.name,
        "source": row.watch.source,
        "job": row.watch.job,
        "mode": row.watch.mode.as_str(),
        "state": view.health.state.as_str(),
        "why": view.health.why,
        "since": at(view.health.since, zone),
        "every_ms": row.watch.every_ms,
        "next_at": at(row.next_at, zone),
        "last_poll_at": at(last.map(|p| p.last_at.unwrap_or(p.started_at)), zone),
        "last_ok_at": at(row.last_ok, zone),
        "took_ms": ended.and_then(|p| p.took_ms),
        "rows": ended.and_then(|p| p.rows),
        "fresh_rows": ended.and_then(|p| p.fresh_rows),
        "fresh_1h": view.hour.iter().sum::<i64>(),
        "runs_1h": view.runs_1h,
        "cursor": view.cursor(),
        "fails": view.fails(),
        "error": view.error(),
        "blocking_run": view.blocking.map(|RunId(run)| run),
        "held_poll": view.held.as_ref().map(|p| p.poll.0),
        "listen": row.watch.listen,
        "pool": pool(view.gauge.as_ref(), zone),
    })
}

/// A poll, for `watch polls`.
pub fn poll(poll: &PollRow, runs: &[RunId], zone: &Zone) -> Value {
    json!({
        "poll": poll.poll.0,
        "watch": poll.watch,
        "trigger": poll.trigger.as_str(),
        "due_at": at(Some(poll.due_at), zone),
        "started_at": at(Some(poll.started_at), zone),
        "took_ms": poll.took_ms,
        "pool_wait_ms": poll.pool_wait_ms,
        "connection": poll.connection,
        "query": poll.query,
        "params": poll.params,
        "rows": poll.rows,
        "fresh_rows": poll.fresh_rows,
        "runs": runs.iter().map(|RunId(run)| *run).collect::<Vec<i64>>(),
        "runs_made": poll.runs,
        "cursor_before": poll.cursor_before,
        "cursor_after": poll.cursor_after,
        "outcome": poll.outcome.as_str(),
        "error": poll.error,
        "note": poll.note,
        "fails": poll.fails,
        "delivered": poll.delivered,
        "held": poll.held,
        "repeats": poll.repeats,
        "last_at": at(poll.last_at, zone),
    })
}

/// The definition of a watch. Values that are to be kept nowhere are not shown either.
pub fn definition(row: &WatchRow, zone: &Zone) -> Value {
    let watch = &row.watch;
    let initial = match &watch.initial {
        Initial::Now => json!("now"),
        Initial::Min => json!("min"),
        Initial::Value(cells) => cells.iter().map(crate::model::Cell::to_json).collect(),
    };
    let params: serde_json::Map<String, Value> = watch
        .params
        .iter()
        .map(|(name, cell)| (name.clone(), shown(watch, name, cell.to_json())))
        .collect();
    let pause = watch.paused.as_ref();
    json!({
        "watch": watch.name,
        "source": watch.source,
        "job": watch.job,
        "query": watch.query,
        "mode": watch.mode.as_str(),
        "key": watch.key,
        "params": params,
        "initial": initial,
        "every_ms": watch.every_ms,
        "timeout_ms": watch.timeout_ms,
        "deliver": watch.deliver.as_str(),
        "batch_max": watch.batch_max,
        "max_rows": watch.max_rows,
        "advance": watch.advance.as_str(),
        "listen": watch.listen,
        "claim": watch.claim,
        "ack": watch.ack,
        "nack": watch.nack,
        "visibility_ms": watch.visibility_ms,
        "above": watch.limits.above,
        "below": watch.limits.below,
        "rearm": watch.limits.rearm,
        "on_return": watch.limits.on_return,
        "on_empty": watch.on_empty,
        "log": watch.log.as_str(),
        "redact": watch.redact,
        "lookback_ids": watch.lookback_ids,
        "lookback_ms": watch.lookback_ms,
        "paused_at": at(pause.map(|p| p.from), zone),
        "paused_until": at(pause.and_then(|p| p.until), zone),
        "paused_by": pause.map(|p| p.by.clone()),
        "pause_reason": pause.and_then(|p| p.reason.clone()),
        "version": row.version,
        "created_at": at(Some(row.created_at), zone),
        "changed_at": at(Some(row.updated_at), zone),
    })
}

/// What stands for a value that is to be kept nowhere.
pub const REDACTED: &str = "***";

fn shown(watch: &Watch, name: &str, value: Value) -> Value {
    match watch.redacts(name) {
        true => json!(REDACTED),
        false => value,
    }
}

/// A cursor, or another JSON value, in few columns.
pub fn in_short(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let parts: Vec<String> = values.iter().map(in_short).collect();
            parts.join(",")
        }
        other => other.to_string(),
    }
}

/// Parameters in one line: `n=5 state=open`.
pub fn params_in_short(params: &Value) -> String {
    match params {
        Value::Object(map) => {
            let parts: Vec<String> = map
                .iter()
                .map(|(name, value)| format!("{name}={}", in_short(value)))
                .collect();
            parts.join(" ")
        }
        // A list of pairs says the same.
        Value::Array(pairs) => {
            let parts: Vec<String> = pairs.iter().map(in_short).collect();
            parts.join(" ")
        }
        other => in_short(other),
    }
}
