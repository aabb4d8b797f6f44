//! Kills at random moments under load: afterwards every planned instant is accounted for, nothing
//! was started twice, and every attempt that started has its true exit code.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::Signal;

use crate::sim::dice::Dice;
use crate::support::instance::{Instance, signal};
use crate::support::wait::{mono, pass, until};

impl Drop for Load {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let words = self.instance.lines("daemon.err");
            println!("{}", words[words.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// The exit code of a run follows from its number, so that each is known beforehand.
const CODE: &str = "exit $((CRAKE_RUN % 50))";

/// Most deaths of a core in a row.
const ROW: u32 = 5;

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Core,
    Guardian,
    Both,
}

struct Load {
    instance: Instance,
    enqueued: usize,
}

impl Load {
    /// A daemon with jobs every second that succeed, fail and take a while.
    fn new() -> Load {
        let instance = Instance::running();
        let start = "echo $CRAKE_RUN $CRAKE_ATTEMPT >> starts";
        let jobs = [
            ("quick", format!("{start}; true")),
            ("codes", format!("{start}; {CODE}")),
            ("long", format!("{start}; sleep 1.3; {CODE}")),
            ("asked", format!("{start}; sleep 0.2; {CODE}")),
        ];
        for (name, line) in &jobs {
            let every: &[&str] = match *name {
                "asked" => &["--max-parallel", "50"],
                "long" => &["-s", "every 1s", "--overlap", "allow", "--catch-up", "all"],
                _ => &["-s", "every 1s", "--catch-up", "all"],
            };
            instance.add(name, line, every);
        }
        instance.until_lines("starts", 3);
        Load {
            instance,
            enqueued: 0,
        }
    }

    fn ask(&mut self) {
        self.instance.request("asked");
        self.enqueued += 1;
    }

    /// Kills, and waits until time is kept again.
    fn kill(&mut self, victim: Victim) {
        let status = self.instance.status();
        let pid = |key: &str| {
            status["daemon"][key]
                .as_i64()
                .and_then(|p| i32::try_from(p).ok())
        };
        let (Some(core), Some(guardian)) = (pid("pid"), pid("guardian")) else {
            return;
        };
        match victim {
            Victim::Core => {
                signal(core, Signal::KILL);
                self.instance.up_but_for(Some(core));
            }
            Victim::Guardian => {
                signal(guardian, Signal::KILL);
                until("another guardian", || {
                    let now = self.instance.status()["daemon"]["guardian"].as_i64()?;
                    (now != i64::from(guardian)).then_some(())
                });
            }
            Victim::Both => {
                signal(core, Signal::STOP);
                signal(guardian, Signal::KILL);
                signal(core, Signal::KILL);
                self.instance.forget_daemon();
                self.instance.start_again(core);
            }
        }
    }

    /// Ends it and holds what is recorded against what happened.
    fn judge(&mut self, kills: u32) {
        let instance = &mut self.instance;
        // What was asked for and what is alive comes to its end before the books are closed.
        for job in ["quick", "codes", "long"] {
            instance.sandbox.ok(&["pause", job]);
        }
        instance.until_sql("NOT EXISTS(SELECT 1 FROM run WHERE state IN ('queued', 'running'))");
        instance.stop_whoever_guards();
        let audit = instance.sandbox.run(&["audit", "--json"]);
        assert_eq!(audit.code, 0, "{audit:?}");
        let item = audit.json()["item"].clone();
        for key in ["missing", "extra", "duplicate"] {
            assert_eq!(item[key], 0, "{item}");
        }
        let starts = instance.lines("starts");
        let distinct: BTreeSet<&String> = starts.iter().collect();
        assert_eq!(distinct.len(), starts.len(), "an attempt was started twice");
        let pairs = renumbered(instance);
        let sql = instance.sql();
        let mut statement = sql
            .prepare("SELECT id, job, state, exit_code FROM run")
            .unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (id, job): (i64, String) = (row.get(0).unwrap(), row.get(1).unwrap());
            let (state, code): (String, i64) = (row.get(2).unwrap(), row.get(3).unwrap());
            // The job saw the first number.
            let seen = pairs.get(&id).copied().unwrap_or(id);
            let wanted = if job == "quick" { 0 } else { seen % 50 };
            assert_eq!(code, wanted, "run {id}, which {job} knew as {seen}");
            let word = if wanted == 0 { "succeeded" } else { "failed" };
            assert_eq!(state, word, "run {id} of {job}");
        }
        let runs: usize = instance
            .cell::<i64>("SELECT count(*) FROM run")
            .and_then(|n| usize::try_from(n).ok())
            .unwrap();
        assert_eq!(runs, starts.len(), "each run started once");
        let asked: i64 = instance
            .cell("SELECT count(*) FROM run WHERE job = 'asked'")
            .unwrap();
        assert_eq!(usize::try_from(asked).unwrap(), self.enqueued);
        println!(
            "{kills} kills: {} planned, {runs} runs, {} renumbered, all true",
            item["planned"],
            pairs.len()
        );
    }
}

fn kills(count: u32, seed: u64) {
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let (mut load, began, mut row) = (Load::new(), mono(), 0);
    for _ in 0..count {
        load.ask();
        pass(dice.below(700));
        let victim = match dice.below(10) {
            // A guardian waits longer after each death; another one begins anew.
            0..=5 if row < ROW => Victim::Core,
            6..=7 => Victim::Guardian,
            _ => Victim::Both,
        };
        row = if matches!(victim, Victim::Core) {
            row + 1
        } else {
            0
        };
        load.kill(victim);
    }
    println!("{count} kills took {} ms", mono() - began);
    load.judge(count);
}

/// The numbers that runs were first given, by those they have.
fn renumbered(instance: &Instance) -> BTreeMap<i64, i64> {
    let sql = instance.sql();
    let mut statement = sql
        .prepare("SELECT value, substr(key, 12) FROM meta WHERE key LIKE 'renumbered.%'")
        .unwrap();
    let pair = |row: &rusqlite::Row<'_>| {
        let (now, first): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((now.parse().unwrap(), first.parse().unwrap()))
    };
    let rows = statement.query_map([], pair).unwrap();
    rows.map(Result::unwrap).collect()
}

/// A seed of the caller's, or another one each time.
fn seed() -> u64 {
    let given = std::env::var("CRAKE_SEED")
        .ok()
        .and_then(|s| s.parse().ok());
    given.unwrap_or_else(|| mono().unsigned_abs())
}

#[test]
fn kills_of_core_and_guardian_lose_nothing_and_start_nothing_twice() {
    kills(12, seed());
}

#[test]
#[ignore = "takes some minutes: cargo test --test it two_hundred_kills -- --ignored --nocapture"]
fn two_hundred_kills_lose_nothing_and_start_nothing_twice() {
    kills(200, seed());
}
