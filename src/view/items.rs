//! The items of JSON answers. Every key is always there; names and units do not change.

use serde_json::{Value, json};

use crate::model::{RunId, Trouble};
use crate::schedule::{UnixMs, Zone};
use crate::store::{Ack, AttemptRow, EventRow, FireRow, MissedGroup, RunRow};
use crate::view::Daemon;
use crate::view::attention::Attention;
use crate::view::audit::Audit;
use crate::view::status::Status;
use crate::view::time::rfc3339;
use crate::view::workers::WorkerRow;

/// Writes instants with the offset of one zone.
#[derive(Clone, Debug)]
pub struct Items {
    zone: Zone,
}

impl Items {
    /// With the zone times are shown in.
    pub fn new(zone: &Zone) -> Items {
        Items { zone: zone.clone() }
    }

    fn at(&self, at: UnixMs) -> Value {
        Value::String(rfc3339(at, &self.zone))
    }

    fn maybe_at(&self, at: Option<UnixMs>) -> Value {
        at.map_or(Value::Null, |at| self.at(at))
    }

    /// A run, for `history` and `ps`.
    pub fn run(&self, run: &RunRow) -> Value {
        json!({
            "run": run.run,
            "job": run.job,
            "state": run.state.as_str(),
            "outcome": run.state.outcome(),
            "exit_code": run.exit_code,
            "signal": run.signal,
            "attempt": run.attempt,
            "max_attempts": run.max_attempts,
            "planned_at": self.maybe_at(run.planned_at),
            "queued_at": self.maybe_at(run.queued_at),
            "run_at": self.maybe_at(run.run_at),
            "started_at": self.maybe_at(run.started_at),
            "ended_at": self.maybe_at(run.ended_at),
            "late_ms": late_ms(run),
            "took_ms": took_ms(run),
            "origin": run.origin,
            "origin_ref": run.origin_ref,
            "watch": run.watch,
            "queue": run.queue,
            "priority": run.priority,
            "reason": run.reason,
            "pid": run.pid,
            "worker": worker(run),
            "ack": self.ack(run.ack.as_ref()),
        })
    }

    /// What somebody said of how a run ended.
    pub fn ack(&self, ack: Option<&Ack>) -> Value {
        ack.map_or(Value::Null, |ack| {
            json!({
                "at": self.at(ack.at),
                "by": ack.by,
                "note": ack.note,
                "until": self.maybe_at(ack.until),
            })
        })
    }

    /// An attempt of a run.
    pub fn attempt(&self, attempt: &AttemptRow) -> Value {
        json!({
            "attempt": attempt.n,
            "outcome": attempt.outcome,
            "exit_code": attempt.exit_code,
            "signal": attempt.signal,
            "started_at": self.maybe_at(attempt.started_at),
            "ended_at": self.maybe_at(attempt.ended_at),
            "took_ms": attempt.took_ms(),
            "reason": attempt.reason,
            "pid": attempt.pid,
            "cpu_ms": attempt.cpu_ms,
            "max_rss_bytes": attempt.max_rss,
            "output_bytes": attempt.out_bytes,
        })
    }

    /// A row of the ledger.
    pub fn fire(&self, fire: &FireRow) -> Value {
        json!({
            "job": fire.job,
            "schedule": fire.schedule,
            "expr": fire.expr,
            "planned_at": self.at(fire.planned_at),
            "verdict": fire.verdict,
            "run": fire.run,
            "late_ms": fire.late_ms,
            "reason": fire.reason,
            "note": fire.note,
            "blocked_by": fire.blocked_by,
            "decided_at": self.at(fire.decided_at),
            "count": fire.count,
            "until": self.at(fire.until),
        })
    }

    /// Missed fires that belong together.
    pub fn missed(&self, group: &MissedGroup) -> Value {
        json!({
            "job": group.job,
            "schedule": group.schedule,
            "count": group.count,
            "from": self.at(group.from),
            "to": self.at(group.to),
            "reason": group.reason,
            "policy": group.policy,
            "state": missed_state(group),
            "run": group.run,
            "acked_at": self.maybe_at(group.acked_at),
            "note": group.ack_note,
        })
    }

    /// An event.
    pub fn event(&self, event: &EventRow) -> Value {
        json!({
            "id": event.id,
            "at": self.at(event.at),
            "level": event.level,
            "kind": event.kind,
            "job": event.job,
            "run": event.run,
            "watch": event.watch,
            "text": event.text,
        })
    }

    /// What an audit found.
    pub fn audit(&self, audit: &Audit) -> Value {
        let differences: Vec<Value> = audit
            .differences
            .iter()
            .map(|d| {
                json!({
                    "kind": d.kind.as_str(),
                    "job": d.job,
                    "schedule": d.schedule,
                    "at": self.at(d.at),
                    "count": d.count,
                })
            })
            .collect();
        let unreadable: Vec<Value> = audit
            .unreadable
            .iter()
            .map(|(job, why)| json!({"job": job, "error": why}))
            .collect();
        json!({
            "since": self.maybe_at(audit.since),
            "until": self.maybe_at(audit.until),
            "planned": audit.planned,
            "ledger": audit.ledger,
            "kept_since": self.maybe_at(audit.kept_since),
            "missing": audit.missing,
            "extra": audit.extra,
            "duplicate": audit.duplicate,
            "schedules": audit.schedules,
            "owed": audit.owed,
            "unreadable": unreadable,
            "differences": differences,
        })
    }

    /// The daemon.
    pub fn daemon(&self, daemon: &Daemon) -> Value {
        json!({
            "up": daemon.up,
            "pid": daemon.pid,
            "beat_age_ms": daemon.beat_age_ms,
            "since": self.maybe_at(daemon.since),
            "degraded": daemon.degraded,
            "trouble": daemon.trouble.as_ref().map(|t| self.trouble(t)),
            "silent": daemon.silent,
            "guardian": daemon.guardian,
            "deaths": daemon.deaths,
            "ending": daemon.ending,
        })
    }

    /// The overview.
    pub fn status(&self, status: &Status) -> Value {
        let attention: Vec<Value> = status.attention.iter().map(|a| self.attention(a)).collect();
        json!({
            "daemon": self.daemon(&status.daemon),
            "jobs": status.counts.jobs,
            "paused": status.counts.paused,
            "running": status.counts.running,
            "queued": status.counts.queued,
            "attention": attention,
            "drain": status.drain.as_ref().map(|d| json!({"since": self.at(d.at), "by": d.by})),
            "today": {
                "succeeded": status.today.succeeded,
                "failed": status.today.failed,
                "missed": status.today.missed,
                "skipped": status.today.skipped,
            },
            "next_at": self.maybe_at(status.next_at),
        })
    }

    /// A worker, for `worker ls`.
    pub fn worker(&self, row: &WorkerRow) -> Value {
        let evidence = row.evidence.as_ref();
        json!({
            "worker": row.worker,
            "state": row.judged.state,
            "run": row.run,
            "job": row.job,
            "queue": row.queue,
            "pid": row.pid,
            "beat_age_ms": row.beat_age_ms,
            "busy_ms": row.busy_ms,
            "cpu_percent": evidence.map(|e| e.cpu_percent),
            "rss_bytes": evidence.map(|e| e.rss_bytes),
            "quiet_ms": row.quiet_ms(),
            "evidence": row.judged.why,
        })
    }

    /// What is wrong with the store.
    fn trouble(&self, trouble: &Trouble) -> Value {
        json!({
            "kind": trouble.kind.as_str(),
            "since": self.maybe_at(Some(trouble.since)),
            "text": trouble.text,
            "waiting": trouble.waiting,
            "holder": trouble.holder.as_ref().map(|h| json!({"pid": h.pid, "command": h.command})),
        })
    }

    /// One thing that needs attention.
    pub fn attention(&self, a: &Attention) -> Value {
        json!({
            "level": a.level.as_str(),
            "kind": a.kind.as_str(),
            "what": a.what,
            "job": a.job,
            "run": a.run.map(|RunId(run)| run),
            "watch": a.watch,
            "since": self.maybe_at(a.since),
            "text": a.text,
            "hint": a.hint,
        })
    }
}

/// How late the first attempt started, milliseconds.
pub fn late_ms(run: &RunRow) -> Option<i64> {
    Some((run.started_at? - run.planned_at?).max(0))
}

/// From the start of the first attempt to the end, milliseconds.
pub fn took_ms(run: &RunRow) -> Option<i64> {
    Some((run.ended_at? - run.started_at?).max(0))
}

/// The name of the worker that carries, or carried, the last attempt.
pub fn worker(run: &RunRow) -> Option<String> {
    run.slot.map(|slot| format!("w{slot}"))
}

/// Where missed fires stand: somebody took note of them (`acked`), a run was made up for them
/// (`done`), their job is gone (`dropped`), or none of that (`open`).
pub fn missed_state(group: &MissedGroup) -> &'static str {
    if group.run.is_some() {
        "done"
    } else if group.acked_at.is_some() {
        "acked"
    } else if group.policy.is_none() {
        "dropped"
    } else {
        "open"
    }
}
