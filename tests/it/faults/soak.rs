//! An hour under load with random kills, and nothing that grows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crake::daemon::ring::decode;
use rustix::process::Signal;

use crate::sim::dice::Dice;
use crate::support::instance::{Instance, processes_that_name, signal};
use crate::support::wait::{mono, pass};

/// How long without `CRAKE_SOAK_SECONDS`.
const SECONDS: i64 = 3_600;

/// Between two kills, milliseconds.
const KILL_MS: i64 = 4_000;

/// Between two samples, milliseconds.
const SAMPLE_MS: i64 = 5_000;

/// What may grow, and by how much in the second half, on the line fitted to its samples: caches are
/// filled by then.
const MEASURES: [(&str, f64); 10] = [
    ("core fds but for workers", 6.0),
    ("core threads", 2.0),
    ("core rss KiB", 8_192.0),
    ("guardian fds", 3.0),
    ("guardian rss KiB", 2_048.0),
    // Where the disk stalls, ends wait to be recorded and other workers carry what is due meanwhile.
    ("workers", 44.0),
    ("slot directories", 44.0),
    ("zombies", 6.0),
    ("cgroups", 12.0),
    ("ring use", 20.0),
];

#[test]
#[ignore = "an hour"]
fn soak() {
    let seconds = std::env::var("CRAKE_SOAK_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let seconds = seconds.unwrap_or(SECONDS);
    let (began, until) = (mono(), mono() + seconds * 1_000);
    let mut instance = Instance::running();
    for n in 0..20 {
        let line = format!(
            "echo $CRAKE_RUN $CRAKE_ATTEMPT >> starts; echo out; sleep 0.2; exit {}",
            n % 3
        );
        instance.add(
            &format!("s{n}"),
            &line,
            &["-s", "every 1s", "--catch-up", "all"],
        );
    }
    let mut soak = Soak {
        series: BTreeMap::new(),
        kills: BTreeMap::new(),
        dice: Dice::new(1),
        workers: BTreeSet::new(),
        began,
        // After that one core lives to the end, so that what grows in it can be seen.
        cores_until: began + seconds * 1_000 / 4,
    };
    // A pool and caches fill first.
    pass(10_000);
    let (mut kill_at, mut sample_at) = (mono(), mono());
    while mono() < until {
        if mono() >= kill_at {
            kill_at += KILL_MS;
            soak.kill(&mut instance);
        }
        if mono() >= sample_at {
            sample_at += SAMPLE_MS;
            soak.sample(&instance);
        }
        pass(100);
    }
    soak.finish(&mut instance);
}

struct Soak {
    series: BTreeMap<&'static str, Vec<(f64, f64)>>,
    kills: BTreeMap<&'static str, u32>,
    dice: Dice,
    workers: BTreeSet<i32>,
    began: i64,
    cores_until: i64,
}

impl Soak {
    fn kill(&mut self, instance: &mut Instance) {
        let kinds = ["core", "guardian and core", "worker", "job", "reader"];
        let kinds = if mono() < self.cores_until {
            &kinds[..]
        } else {
            &kinds[2..]
        };
        let kind = *self.dice.pick(kinds).unwrap();
        if kind.contains("core") {
            self.series.retain(|name, _| !name.starts_with("core"));
        }
        *self.kills.entry(kind).or_default() += 1;
        // Jobs start with the second; the kills are to fall anywhere in it.
        pass(self.dice.below(1_000));
        match kind {
            "core" => {
                let killed = instance.kill_core();
                instance.up_but_for(Some(killed));
            }
            "guardian and core" => {
                instance.kill_all();
                instance.start();
            }
            "worker" => self.kill_one(instance, |line| line.contains("__worker")),
            "job" => self.kill_one(instance, |line| line.starts_with("/bin/sh")),
            _ => {
                let mut reader = instance.sandbox.command();
                let reader = reader.args(["history", "-n", "1000"]);
                let mut reader = reader.stdout(std::process::Stdio::null()).spawn().unwrap();
                pass(self.dice.below(20));
                let _ = reader.kill();
                reader.wait().unwrap();
            }
        }
    }

    fn kill_one(&mut self, instance: &Instance, is: impl Fn(&str) -> bool) {
        let found: Vec<i32> = members(instance, is)
            .into_iter()
            .map(|(pid, _)| pid)
            .collect();
        if let Some(pid) = self.dice.pick(&found) {
            signal(*pid, Signal::KILL);
        }
    }

    fn sample(&mut self, instance: &Instance) {
        let Some(core) = instance.lock_holder() else {
            return;
        };
        let guardian = instance.guardian();
        let workers = members(instance, |line| line.contains("__worker"));
        self.workers.extend(workers.iter().map(|(pid, _)| *pid));
        let slots = entries(&instance.sandbox.path("home/spool/slots"));
        let values = [
            entries(Path::new(&format!("/proc/{core}/fd"))).saturating_sub(workers.len()),
            entries(Path::new(&format!("/proc/{core}/task"))),
            rss_kib(core),
            entries(Path::new(&format!("/proc/{guardian}/fd"))),
            rss_kib(guardian),
            workers.len(),
            slots,
            zombies_of(core) + zombies_of(guardian),
            self.cgroups(),
            ring_use(instance),
        ];
        let at = (mono() - self.began) as f64 / 1_000.0;
        for ((name, _), value) in MEASURES.iter().zip(values) {
            self.series
                .entry(name)
                .or_default()
                .push((at, value as f64));
        }
    }

    /// Control groups of workers of this instance, dead ones among them.
    fn cgroups(&self) -> usize {
        let mut open = vec![Path::new("/sys/fs/cgroup").to_owned()];
        let mut count = 0;
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                if !entry.file_type().is_ok_and(|t| t.is_dir()) {
                    continue;
                }
                let name = entry.file_name().to_string_lossy().into_owned();
                let of = name
                    .strip_prefix("crake-")
                    .and_then(|n| n.split('-').next());
                let pid = of.and_then(|pid| pid.parse().ok());
                count += usize::from(pid.is_some_and(|pid| self.workers.contains(&pid)));
                open.push(entry.path());
            }
        }
        count
    }

    /// What grew by more than it may.
    fn grown(&self) -> Vec<String> {
        let mut grown = Vec::new();
        for (name, may) in MEASURES {
            let points = &self.series[name];
            let points = &points[points.len() / 2..];
            assert!(points.len() > 2, "too short to see whether {name} grows");
            let (slope, first, growth) = slope(points);
            println!(
                "{name:25} {first:10.1} at half time, {:+.3} a minute, {growth:+.1} in all",
                slope * 60.0
            );
            if growth > may {
                grown.push(format!("{name} grew by {growth:.1}"));
            }
        }
        grown
    }

    fn finish(&self, instance: &mut Instance) {
        println!("kills: {:?}", self.kills);
        let grown = self.grown();
        let audit = instance.stop_and_audit();
        println!("audit: {audit}");
        instance.start();
        instance.until_sql(
            "NOT EXISTS(SELECT 1 FROM run WHERE state IN ('queued', 'running')
            AND run_at < unixepoch() * 1000 - 60000)",
        );
        let odd: i64 = instance
            .cell(
                "SELECT count(*) FROM run WHERE state NOT IN ('queued', 'running')
                AND NOT (state IN ('succeeded', 'failed')
                    AND exit_code = CAST(substr(job, 2) AS INT) % 3)
                AND state NOT IN ('lost', 'signaled')",
            )
            .unwrap();
        assert_eq!(odd, 0, "codes that are not true");
        let lost: i64 = instance
            .cell("SELECT count(*) FROM run WHERE state IN ('lost', 'signaled')")
            .unwrap();
        let killed = ["worker", "job"].iter().filter_map(|k| self.kills.get(k));
        let killed: u32 = killed.sum();
        assert!(
            lost <= i64::from(killed),
            "{lost} lost or signaled of {killed} killed"
        );
        let mut starts = instance.lines("starts");
        let all = starts.len();
        starts.sort();
        starts.dedup();
        println!("{all} starts, {lost} lost or signaled");
        assert_eq!(starts.len(), all, "something started twice");
        let slots = entries(&instance.sandbox.path("home/spool/slots"));
        assert!(slots <= 80, "{slots} slot directories");
        assert!(grown.is_empty(), "{grown:?}");
    }
}

/// The processes of an instance whose command line is such a one.
fn members(instance: &Instance, is: impl Fn(&str) -> bool) -> Vec<(i32, String)> {
    let here = instance.sandbox.path("");
    processes_that_name(here.to_str().unwrap())
        .into_iter()
        .filter_map(|pid| {
            let pid = pid.as_raw_nonzero().get();
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            is(&line).then_some((pid, line))
        })
        .collect()
}

fn entries(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

fn rss_kib(pid: i32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let number = field.and_then(|f| f.trim().strip_suffix(" kB")?.trim().parse().ok());
    number.unwrap_or(0)
}

fn zombies_of(pid: i32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let children = tasks.filter_map(|t| fs::read_to_string(t.path().join("children")).ok());
    let is_zombie = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.is_ok_and(|s| s.contains(") Z "))
    };
    children
        .map(|c| c.split_whitespace().filter(|pid| is_zombie(pid)).count())
        .sum()
}

/// Places of the ring that the store has not taken.
fn ring_use(instance: &Instance) -> usize {
    let query = "SELECT CAST(value AS INT) FROM meta WHERE key = 'ring_seq'";
    let recorded: i64 = instance.cell(query).unwrap_or(0);
    let ring = fs::read(instance.sandbox.path("home/spool/ring")).unwrap_or_default();
    let places = ring.chunks(512).filter_map(|p| Some(decode(p)?.0));
    let last = places.max().unwrap_or(0);
    usize::try_from(last - recorded).unwrap_or(0)
}

/// The line of least squares: its slope a second, its value at the first sample, and how much it
/// rises to the last.
fn slope(points: &[(f64, f64)]) -> (f64, f64, f64) {
    let n = points.len() as f64;
    let (mean_x, mean_y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let spread: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    let joint: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    let slope = if spread > 0.0 { joint / spread } else { 0.0 };
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    (
        slope,
        mean_y + slope * (first - mean_x),
        slope * (last - first),
    )
}

#[test]
fn the_slope_of_a_soak_sees_what_grows() {
    let growing: Vec<(f64, f64)> = (0..100)
        .map(|i| (f64::from(i), f64::from(i * 2 + i % 3)))
        .collect();
    let (slope_a_second, _, growth) = slope(&growing);
    assert!((1.9..2.1).contains(&slope_a_second) && growth > 190.0);
    let flat: Vec<(f64, f64)> = (0..100)
        .map(|i| (f64::from(i), f64::from(7 + i % 3)))
        .collect();
    assert!(slope(&flat).2.abs() < 0.5);
}
