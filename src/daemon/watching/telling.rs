//! Telling sources what became of their rows, and people what became of pollers.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Now;
use crate::daemon::poller::{Act, Acted};
use crate::daemon::watching::round::Round;
use crate::daemon::watching::wish::Wish;
use crate::daemon::watching::wording::wording;
use crate::engine::watch::{Asked, Shape, statement};
use crate::model::{Level, Note, SourceEngine};
use crate::schedule::UnixMs;
use crate::source::SourceError;
use crate::store::{Owed, WatchRow};

/// The pause before a source is told again that could not be told, doubled each time, milliseconds.
const PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 60_000;

/// A row whose statement fails for a reason of its own is given up after so many tries.
const TRIES: u32 = 5;

/// What is said to a source at the moment.
struct Saying {
    watch: String,
    ids: Vec<i64>,
    pid: i32,
}

/// How the sources are told of rows.
#[derive(Default)]
pub struct Telling {
    /// Watches for which it is to be looked what is owed.
    wanted: BTreeSet<String>,
    /// Watches for which that was asked.
    asked: BTreeSet<String>,
    saying: BTreeMap<u64, Saying>,
    last: u64,
    /// Watches whose source could not be told: when that is tried again, and how often it failed.
    rests: BTreeMap<String, (i64, u32)>,
}

impl Telling {
    /// There may be something to be said for a watch.
    pub fn look(&mut self, watch: &str) {
        self.wanted.insert(watch.to_owned());
    }

    /// A poller is gone with what it was to say.
    pub fn lost(&mut self, pid: i32, now: Now) {
        let gone: Vec<u64> = self
            .saying
            .iter()
            .filter(|(_, s)| s.pid == pid)
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            if let Some(saying) = self.saying.remove(&id) {
                self.rest(&saying.watch, now);
            }
        }
    }

    /// When to come round, on the clock of the boot.
    pub fn wake_at(&self, now: Now) -> Option<i64> {
        let wanted = self.wanted.iter().filter(|watch| !self.is_busy(watch));
        wanted
            .map(|watch| self.rests.get(watch).map_or(now.boot, |(at, _)| *at))
            .min()
    }

    fn is_busy(&self, watch: &str) -> bool {
        self.asked.contains(watch) || self.saying.values().any(|s| s.watch == watch)
    }

    fn rest(&mut self, watch: &str, now: Now) -> u32 {
        let (at, count) = self.rests.entry(watch.to_owned()).or_default();
        let pause = PAUSE_MS.saturating_mul(1 << (*count).min(10));
        *at = now.boot + pause.min(LONGEST_PAUSE_MS);
        *count += 1;
        let count = *count;
        self.wanted.insert(watch.to_owned());
        count
    }
}

impl Round {
    /// Looks what sources are to be told.
    pub(in crate::daemon::watching) fn tell_sources(&mut self, now: Now) {
        let ready = |watch: &&String| {
            let rests = self.telling.rests.get(*watch);
            !self.telling.is_busy(watch) && rests.is_none_or(|(at, _)| *at <= now.boot)
        };
        let due: Vec<String> = self.telling.wanted.iter().filter(ready).cloned().collect();
        for watch in due {
            self.telling.wanted.remove(&watch);
            let Some(charge) = self.charges.get(&watch) else {
                continue;
            };
            let ended = charge.tells_ends();
            self.telling.asked.insert(watch.clone());
            self.wish(Wish::Owed { watch, ended });
        }
    }

    /// This is what the source of a watch is to be told.
    pub(in crate::daemon::watching) fn owed(&mut self, watch: &str, owed: Vec<Owed>, now: Now) {
        self.telling.asked.remove(watch);
        let Some(charge) = self.charges.get_mut(watch) else {
            return;
        };
        let Some(first) = owed.first() else {
            self.telling.rests.remove(watch);
            charge.told_all();
            return;
        };
        let (row, taken) = (charge.row.clone(), first.taken);
        let definition = &row.watch;
        let Some(engine) = charge.source.as_ref().map(|(source, _)| source.engine) else {
            return;
        };
        let same: Vec<Owed> = owed.into_iter().filter(|o| o.taken == taken).collect();
        let ids: Vec<i64> = same.iter().map(|o| o.id).collect();
        let sql = match taken {
            true => definition.ack.clone(),
            false => definition.nack.clone(),
        };
        let Some(sql) = sql else {
            // Nobody wants to be told that.
            self.wish(Wish::Paid(ids));
            self.telling.look(watch);
            return;
        };
        let act = match act(&row, engine, &sql, &same, now.wall) {
            Ok(act) => act,
            Err(e) => return self.not_told(watch, &ids, &e, now),
        };
        self.telling.last += 1;
        let id = self.telling.last;
        let post = self.posts.get_mut(&definition.source);
        match post.and_then(|post| post.act(Act { id, ..act })) {
            Some(Ok(pid)) => {
                let watch = watch.to_owned();
                let saying = Saying { watch, ids, pid };
                self.telling.saying.insert(id, saying);
            }
            Some(Err(e)) => self.not_told(watch, &ids, &e, now),
            None => drop(self.telling.rest(watch, now)),
        }
    }

    /// The source was told, of all rows or of some.
    pub(in crate::daemon::watching) fn acted(&mut self, acted: &Acted, now: Now) {
        let Some(saying) = self.telling.saying.remove(&acted.id) else {
            return;
        };
        let done = acted.affected.len().min(saying.ids.len());
        let (told, rest) = saying.ids.split_at(done);
        if !told.is_empty() {
            self.wish(Wish::Paid(told.to_vec()));
        }
        match &acted.error {
            None => {
                self.telling.rests.remove(&saying.watch);
                self.telling.look(&saying.watch);
            }
            Some(error) => self.not_told(&saying.watch, rest, error, now),
        }
    }

    fn not_told(&mut self, watch: &str, ids: &[i64], error: &SourceError, now: Now) {
        let tries = self.telling.rest(watch, now);
        let given_up = tries >= TRIES && !error.kind.may_pass();
        if given_up && let Some(first) = ids.first() {
            self.wish(Wish::Paid(vec![*first]));
            self.telling.rests.remove(watch);
        }
        if tries == 1 || given_up {
            let what = match given_up {
                true => "it is given up for one row",
                false => "it is tried again",
            };
            let text = format!("watch {watch}: the source cannot be told of rows, {what}: {error}");
            let note = Note {
                at: now.wall,
                level: if given_up { Level::Error } else { Level::Warn },
                kind: "watch".to_owned(),
                job: None,
                run: None,
                text,
            };
            self.wish(Wish::Tell(Some(watch.to_owned()), note));
        }
    }
}

/// The statement for these rows, with the values of each: its key columns, and what a query has.
fn act(
    row: &WatchRow,
    engine: SourceEngine,
    sql: &str,
    owed: &[Owed],
    now: UnixMs,
) -> Result<Act, SourceError> {
    let watch = &row.watch;
    let mut params = Vec::new();
    for one in owed {
        let asked = Asked {
            poll: one.poll,
            now,
            last_ok: row.last_ok,
            shape: Shape::of(engine),
            names: &[],
        };
        let mut values = one.key.clone();
        for (name, value) in statement(watch, &row.memory, &asked).params {
            if !values.iter().any(|(known, _)| *known == name) {
                values.push((name, value));
            }
        }
        params.push(wording(engine, sql, &values)?.params);
    }
    Ok(Act {
        id: 0,
        watch: watch.name.clone(),
        sql: sql.to_owned(),
        params,
        timeout_ms: watch.timeout_ms,
    })
}

pub(in crate::daemon::watching) fn poller_note(at: UnixMs, level: Level, text: String) -> Note {
    Note {
        at,
        level,
        kind: "poller".to_owned(),
        job: None,
        run: None,
        text,
    }
}

/// That a channel was not listened to, from then on.
pub(in crate::daemon::watching) fn channel_note(
    at: UnixMs,
    level: Level,
    since: UnixMs,
    text: String,
) -> Note {
    let span = format!(
        "{text} (not heard: from {since} on, {} ms)",
        (at - since).max(0)
    );
    Note {
        at,
        level,
        kind: "listener".to_owned(),
        job: None,
        run: None,
        text: span,
    }
}

pub(in crate::daemon::watching) fn leak_note(
    at: UnixMs,
    source: &str,
    owner: &str,
    sql: &str,
    held_ms: i64,
    connection: &str,
) -> Note {
    let sql: String = sql.chars().take(300).collect();
    Note {
        at,
        level: Level::Error,
        kind: "leak".to_owned(),
        job: None,
        run: None,
        text: format!(
            "source {source}: watch {owner} held connection {connection} for {held_ms} ms; it was closed and its place is free: {sql}"
        ),
    }
}
