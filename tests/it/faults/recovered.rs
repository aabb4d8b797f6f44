//! What an instance makes of the disk a power cut left, held against what it had acknowledged.

use std::collections::HashSet;

use rusqlite::OptionalExtension;
use rustix::process::Signal;

use super::namespace::Mounted;
use super::recording::Acked;
use crate::support::instance::{Instance, end_of, signal};
use crate::support::wait::{mono, until};

/// What was found after one cut.
#[derive(Debug, Default)]
pub struct Found {
    /// Acknowledged starts, ends and definitions that were at stake.
    pub starts: usize,
    pub ends: usize,
    pub definitions: usize,
    /// Runs that the cut ended.
    pub interrupted: usize,
    /// Everything that is not as it must be.
    pub faults: Vec<String>,
    /// SQLite finds the store damaged.
    pub broken: bool,
    /// The daemon or the audit said that something is wrong.
    pub told: bool,
    pub took_ms: usize,
}

/// Starts an instance on one image after the other.
pub struct Recovery<'a> {
    instance: &'a Instance,
    acked: &'a Acked,
}

impl<'a> Recovery<'a> {
    pub fn of(instance: &'a Instance, acked: &'a Acked) -> Recovery<'a> {
        Recovery { instance, acked }
    }

    /// Starts and ends a daemon on the image of a cut and judges what is there then.
    pub fn after(&mut self, cut: usize, image: &[u8]) -> Found {
        let since = mono();
        let sandbox = &self.instance.sandbox;
        let (file, home) = (sandbox.path("image"), sandbox.path("home"));
        std::fs::write(&file, image).unwrap();
        let mut found = Found::default();
        let mounted = match Mounted::new(&file, &home) {
            Ok(mounted) => mounted,
            Err(why) => {
                found.faults.push(format!("cut {cut}: {why}"));
                (found.broken, found.told) = (true, true);
                return found;
            }
        };
        let _ = std::fs::remove_file(sandbox.path("starts"));
        let _ = std::fs::remove_file(sandbox.path("daemon.err"));
        if self.work() {
            self.judge(cut, &mut found);
            if found.broken && !found.told {
                self.is_found_out();
                found.told = true;
            }
        } else {
            let said = self.instance.lines("daemon.err");
            found.faults.push(format!("cut {cut}: no daemon: {said:?}"));
            (found.broken, found.told) = (true, true);
        }
        drop(mounted);
        found.took_ms = usize::try_from(mono() - since).unwrap();
        found
    }

    // Whether a daemon keeps time there. Once it says so it has recovered.
    fn work(&self) -> bool {
        let mut daemon = self.instance.daemon_command().spawn().unwrap();
        let keeps = until("the daemon starts or leaves", || {
            let said = self.instance.lines("daemon.err");
            if said.iter().any(|line| line.contains("keeping time")) {
                return Some(true);
            }
            daemon.try_wait().unwrap().map(|_| false)
        });
        signal(i32::try_from(daemon.id()).unwrap(), Signal::TERM);
        end_of(&mut daemon);
        keeps
    }

    /// Waits until a daemon tells of the damage: what no start reads is found by the check that each
    /// daemon makes once it keeps time.
    fn is_found_out(&self) {
        let mut daemon = self.instance.daemon_command().spawn().unwrap();
        until("damage that somebody tells", || {
            self.says_damage().then_some(())
        });
        signal(i32::try_from(daemon.id()).unwrap(), Signal::TERM);
        end_of(&mut daemon);
    }

    fn says_damage(&self) -> bool {
        let said = self.instance.lines("daemon.err").join("\n");
        ["damage", "malformed", "corrupt"]
            .iter()
            .any(|word| said.contains(word))
    }

    fn judge(&self, cut: usize, found: &mut Found) {
        let sql = self.instance.sql();
        let check: String = sql
            .query_row("PRAGMA quick_check", [], |r| r.get(0))
            .unwrap_or_else(|e| e.to_string());
        if check != "ok" {
            found.faults.push(format!("cut {cut}: {check}"));
            found.broken = true;
        }
        if let Err(e) = self.hold(cut, &sql, found) {
            found.faults.push(format!("cut {cut}: {e}"));
            found.broken = true;
        }
        drop(sql);
        let audit = self.instance.sandbox.run(&["audit", "--json"]);
        if audit.code != 0 {
            found.faults.push(format!("cut {cut}: {audit:?}"));
            found.told = true;
        }
        found.told |= self.says_damage();
    }

    fn hold(
        &self,
        cut: usize,
        sql: &rusqlite::Connection,
        found: &mut Found,
    ) -> rusqlite::Result<()> {
        let again: HashSet<String> = self.instance.lines("starts").into_iter().collect();
        let mut faults = Vec::new();
        let mut ended = HashSet::new();
        for (_, run, state, code) in self.acked.ends.iter().filter(|a| a.0 <= cut) {
            found.ends += 1;
            ended.insert(*run);
            let query = "SELECT state, exit_code FROM run WHERE id = ?1";
            let row: Option<(String, Option<i64>)> = sql
                .query_row(query, [run], |r| Ok((r.get(0)?, r.get(1)?)))
                .optional()?;
            if row.as_ref() != Some(&(state.clone(), *code)) {
                faults.push(format!("run {run} was {state} {code:?} and is {row:?}"));
            }
        }
        for (_, line) in self.acked.starts.iter().filter(|a| a.0 <= cut) {
            found.starts += 1;
            let (run, attempt) = line.split_once(' ').unwrap();
            let run = number_of(sql, run.parse().unwrap())?;
            let query = "SELECT state FROM run JOIN attempt ON run = id WHERE id = ?1 AND n = ?2";
            let state: Option<String> = sql
                .query_row(query, rusqlite::params![run, attempt], |r| r.get(0))
                .optional()?;
            let over = ["succeeded", "failed", "interrupted"];
            if state.as_deref().is_none_or(|s| !over.contains(&s)) {
                faults.push(format!("the claim of {line} is {state:?}"));
            }
            found.interrupted += usize::from(state.as_deref() == Some("interrupted"));
            if again.contains(line) {
                faults.push(format!("{line} started twice"));
            }
        }
        for (_, name, level) in self.acked.definitions.iter().filter(|a| a.0 <= cut) {
            found.definitions += 1;
            let query = "SELECT 1 + (spec LIKE '%true changed%') + EXISTS(SELECT 1 FROM pause
                WHERE pause.job = name) FROM job WHERE name = ?1";
            let have: Option<u8> = sql.query_row(query, [name], |r| r.get(0)).optional()?;
            if have < Some(*level) {
                faults.push(format!("{name} was at {level} and is at {have:?}"));
            }
        }
        found
            .faults
            .extend(faults.into_iter().map(|f| format!("cut {cut}: {f}")));
        Ok(())
    }
}

/// The number a run is recorded under, which is not the one its job saw where the store was locked.
fn number_of(sql: &rusqlite::Connection, seen: i64) -> rusqlite::Result<i64> {
    let query = "SELECT CAST(value AS INT) FROM meta WHERE key = 'renumbered.' || ?1";
    let other: Option<i64> = sql.query_row(query, [seen], |r| r.get(0)).optional()?;
    Ok(other.unwrap_or(seen))
}
