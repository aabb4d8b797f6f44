//! From what happened to what is in the outbox: reads, asks the pure rules, records.

use std::collections::HashMap;

use crate::config::Paths;
use crate::daemon::transcript::Transcript;
use crate::engine::alert::{Decision, Happening, Told, calm, decide, silence};
use crate::model::{AlertKind, Outcome, ReceiverRow, RunId, TidingKind};
use crate::schedule::{UnixMs, Zone};
use crate::store::{NewAlert, Result, RunRow, Store, Tiding, ToldRow};
use crate::view::Daemon;
use crate::view::alert_words::{Telling, alert_words};
use crate::view::attention::{Kind, Level};
use crate::view::attention_runs::live;
use crate::view::workers::{is_long, is_short};

/// Tidings decided on in one transaction.
const AT_ONCE: usize = 500;

/// How often live runs are looked at, and jobs that may be silent at least, milliseconds.
const LIVE_MS: i64 = 15_000;
const SILENCE_MS: i64 = 300_000;

/// Lines of a run's output that go into an alert, and columns of each.
const TAIL: usize = 20;
const COLUMNS: usize = 200;

/// Decides on what happened.
pub struct Decider<'a> {
    /// The files of the instance.
    pub paths: &'a Paths,
    /// The host's name.
    pub host: &'a str,
    /// The zone times are told in.
    pub zone: &'a Zone,
}

/// What is being decided in one transaction.
struct Round<'a> {
    receivers: &'a [ReceiverRow],
    told: HashMap<(i64, String), Told>,
    alerts: Vec<NewAlert>,
    now: UnixMs,
}

impl Decider<'_> {
    /// Decides on everything that happened since the last time.
    ///
    /// # Errors
    /// Those of the store; what was not recorded is decided on the next time.
    pub fn decide(&self, store: &mut Store, receivers: &[ReceiverRow], now: UnixMs) -> Result<()> {
        loop {
            let tidings = store.tidings(AT_ONCE)?;
            let Some(last) = tidings.last() else {
                return Ok(());
            };
            let mut round = Round::of(receivers, now);
            let mut missed: HashMap<String, usize> = HashMap::new();
            let mut found: Vec<(String, Happening, Telling)> = Vec::new();
            for tiding in &tidings {
                let Some((job, happening, telling)) = self.happening(store, receivers, tiding)?
                else {
                    continue;
                };
                // Fires missed in one go are told of in one alert.
                match missed.get(&job).and_then(|at| found.get_mut(*at)) {
                    Some((_, _, first)) if tiding.kind == TidingKind::Missed => {
                        first.fires += telling.fires;
                    }
                    _ => {
                        if tiding.kind == TidingKind::Missed {
                            missed.insert(job.clone(), found.len());
                        }
                        found.push((job, happening, telling));
                    }
                }
            }
            for (job, happening, telling) in &found {
                for row in round.concerned(job) {
                    let mut told = round.told(store, row, job)?;
                    let decisions = decide(&row.receiver, &mut told, happening, now);
                    round.remember(row, job, told);
                    self.word(store, &mut round, row, &decisions, telling)?;
                }
            }
            round.record(store, last.seq)?;
        }
    }

    /// What a tiding tells; nothing where what it is about is gone.
    fn happening(
        &self,
        store: &Store,
        receivers: &[ReceiverRow],
        tiding: &Tiding,
    ) -> Result<Option<(String, Happening, Telling)>> {
        let Some(job) = tiding.job.clone() else {
            return Ok(None);
        };
        let mut telling = Telling {
            job: Some(job.clone()),
            run: tiding.run,
            ..Telling::default()
        };
        let run = tiding.run.map(|run| store.run(run)).transpose()?.flatten();
        let happening = match (tiding.kind, run, tiding.schedule, tiding.planned_at) {
            (TidingKind::Missed, _, Some(schedule), Some(at)) => {
                let Some(fires) = store.fires_at(schedule, at)? else {
                    return Ok(None);
                };
                (telling.fires, telling.since) = (fires, Some(at));
                Happening::Missed(schedule.0, at)
            }
            (TidingKind::Started, Some(run), ..) => Happening::Started(run.run),
            (TidingKind::Late, Some(run), ..) => {
                let late = run.started_at.zip(run.planned_at).map_or(0, |(s, p)| s - p);
                Happening::Late(run.run, late)
            }
            (TidingKind::Ended, Some(run), ..) => {
                let Some(outcome) = run.state.outcome() else {
                    return Ok(None);
                };
                let asked = receivers.iter().any(|r| {
                    r.receiver.wants(AlertKind::Long) || r.receiver.wants(AlertKind::Short)
                });
                Happening::Ended {
                    run: run.run,
                    outcome,
                    odd: if asked {
                        odd(store, &run, outcome)?
                    } else {
                        None
                    },
                }
            }
            _ => return Ok(None),
        };
        Ok(Some((job, happening, telling)))
    }

    /// Looks at what comes with time alone: live runs, silent jobs, restless ones. Gives when to look
    /// again, and when to look again where a run is alive.
    ///
    /// # Errors
    /// Those of the store.
    pub fn look(
        &self,
        store: &mut Store,
        receivers: &[ReceiverRow],
        daemon: &Daemon,
        now: UnixMs,
    ) -> Result<(Option<UnixMs>, Option<UnixMs>)> {
        let mut round = Round::of(receivers, now);
        let alive = |r: &ReceiverRow| {
            let wants = r.receiver.wants(AlertKind::Stuck) || r.receiver.wants(AlertKind::Long);
            wants && !r.receiver.pings()
        };
        let watched = receivers.iter().any(alive);
        if watched {
            self.look_at_live(store, &mut round, daemon)?;
        }
        let mut again = self.look_for_silence(store, &mut round)?;
        for (id, job) in store.told_due(now)? {
            let Some(row) = receivers.iter().find(|r| r.id == id) else {
                continue;
            };
            let mut told = round.told(store, row, &job)?;
            let decision = calm(&row.receiver, &mut told, now);
            round.remember(row, &job, told);
            let telling = Telling {
                run: decision.as_ref().and_then(|d| d.run),
                job: Some(job),
                ..Telling::default()
            };
            self.word(store, &mut round, row, decision.as_slice(), &telling)?;
        }
        round.record(store, 0)?;
        let known: Vec<i64> = receivers.iter().map(|row| row.id).collect();
        again = [again, store.next_told_look(&known)?]
            .into_iter()
            .flatten()
            .min();
        Ok((again, watched.then_some(now + LIVE_MS)))
    }

    fn look_at_live(&self, store: &Store, round: &mut Round<'_>, daemon: &Daemon) -> Result<()> {
        for entry in live(store, daemon, self.zone, round.now)? {
            let kind = match (entry.kind, entry.level) {
                (Kind::Long, _) => AlertKind::Long,
                // What became of it is known when its end is recorded.
                (Kind::Worker(crate::model::WorkerState::Lost), _) => continue,
                (Kind::Worker(_), Level::Urgent) => AlertKind::Stuck,
                _ => continue,
            };
            let (Some(job), Some(run)) = (entry.job, entry.run) else {
                continue;
            };
            let telling = Telling {
                job: Some(job.clone()),
                run: Some(run),
                note: Some(format!("{}: {}", entry.what, entry.text)),
                ..Telling::default()
            };
            for row in round.concerned(&job) {
                let mut told = round.told(store, row, &job)?;
                let happening = Happening::Alive(run, kind);
                let decisions = decide(&row.receiver, &mut told, &happening, round.now);
                round.remember(row, &job, told);
                self.word(store, round, row, &decisions, &telling)?;
            }
        }
        Ok(())
    }

    fn look_for_silence(&self, store: &Store, round: &mut Round<'_>) -> Result<Option<UnixMs>> {
        let asks = |r: &&ReceiverRow| {
            r.receiver.silent_ms.is_some() && r.receiver.wants(AlertKind::Silent)
        };
        if !round.receivers.iter().any(|r| asks(&r)) {
            return Ok(None);
        }
        let mut again = round.now + SILENCE_MS;
        for (job, since) in store.last_successes(round.now)? {
            for row in round.concerned(&job).into_iter().filter(asks) {
                let mut told = round.told(store, row, &job)?;
                let (decision, at) = silence(&row.receiver, &mut told, since, round.now);
                round.remember(row, &job, told);
                again = at.map_or(again, |at| again.min(at));
                let telling = Telling {
                    job: Some(job.clone()),
                    since: Some(since),
                    ..Telling::default()
                };
                self.word(store, round, row, decision.as_slice(), &telling)?;
            }
        }
        Ok(Some(again))
    }

    /// Puts decisions into words.
    fn word(
        &self,
        store: &Store,
        round: &mut Round<'_>,
        row: &ReceiverRow,
        decisions: &[Decision],
        telling: &Telling,
    ) -> Result<()> {
        for decision in decisions {
            let mut telling = telling.clone();
            telling.fails = decision.fails;
            let notes = [telling.note.take(), decision.note.clone()];
            let notes: Vec<String> = notes.into_iter().flatten().collect();
            telling.note = (!notes.is_empty()).then(|| notes.join("\n"));
            if let (AlertKind::Failed | AlertKind::Lost | AlertKind::Stuck, Some(run)) =
                (decision.kind, decision.run)
            {
                telling.tail = self.tail(store, run);
            }
            let place = (self.host, self.zone);
            let (subject, text) = alert_words(store, place, decision.kind, &telling, round.now)?;
            let job = telling.job.clone();
            round.alerts.push(NewAlert {
                receiver: row.id,
                kind: decision.kind,
                dedupe: format!(
                    "{}:{}:{}:{}",
                    row.id,
                    decision.kind,
                    job.as_deref().unwrap_or(""),
                    decision.key
                ),
                job,
                run: decision.run,
                subject,
                text,
                next_at: round.now + row.receiver.group_ms.unwrap_or(0),
                dropped: decision.dropped.clone(),
            });
        }
        Ok(())
    }

    /// The last lines a run wrote; none where they cannot be read.
    fn tail(&self, store: &Store, run: RunId) -> Vec<String> {
        let Ok(Some(row)) = store.run(run) else {
            return Vec::new();
        };
        let mut transcript = Transcript::after(self.paths, run, row.attempt.max(1), 0);
        let mut bytes = Vec::new();
        while let Ok(piece) = transcript.read(store) {
            let nothing = piece.chunks.is_empty();
            bytes.extend(piece.chunks.into_iter().flat_map(|chunk| chunk.bytes));
            if nothing || piece.done {
                break;
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let cut = |line: &&str| line.chars().take(COLUMNS).collect();
        lines[lines.len().saturating_sub(TAIL)..]
            .iter()
            .map(cut)
            .collect()
    }
}

fn odd(store: &Store, run: &RunRow, outcome: Outcome) -> Result<Option<AlertKind>> {
    let (Some(started), Some(ended)) = (run.started_at, run.ended_at) else {
        return Ok(None);
    };
    let took = ended - started;
    let Some(usual) = store.usual(&run.job, Some(run.run))? else {
        return Ok(None);
    };
    Ok(match outcome {
        _ if is_long(&usual, took) => Some(AlertKind::Long),
        Outcome::Succeeded if is_short(&usual, took) => Some(AlertKind::Short),
        _ => None,
    })
}

impl<'a> Round<'a> {
    fn of(receivers: &'a [ReceiverRow], now: UnixMs) -> Round<'a> {
        Round {
            receivers,
            told: HashMap::new(),
            alerts: Vec::new(),
            now,
        }
    }

    fn concerned(&self, job: &str) -> Vec<&'a ReceiverRow> {
        let all = self.receivers.iter();
        all.filter(|row| row.receiver.concerns(job)).collect()
    }

    fn told(&self, store: &Store, row: &ReceiverRow, job: &str) -> Result<Told> {
        if let Some(told) = self.told.get(&(row.id, job.to_owned())) {
            return Ok(told.clone());
        }
        let memory = store.told(row.id, job)?;
        // A memory that cannot be read is none.
        Ok(memory
            .and_then(|m| serde_json::from_str(&m).ok())
            .unwrap_or_default())
    }

    fn remember(&mut self, row: &ReceiverRow, job: &str, told: Told) {
        self.told.insert((row.id, job.to_owned()), told);
    }

    fn record(self, store: &mut Store, seq: i64) -> Result<usize> {
        let told: Vec<ToldRow> = self
            .told
            .into_iter()
            .map(|((receiver, job), told)| ToldRow {
                receiver,
                job,
                look_at: told.look_at(),
                memory: (told != Told::default())
                    .then(|| serde_json::to_string(&told).unwrap_or_default()),
            })
            .collect();
        store.decided(seq, &told, &self.alerts, self.now)
    }
}
