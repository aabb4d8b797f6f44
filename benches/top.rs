//! What the dashboard costs: a frame, a look, an idle minute, and a large store.
//!
//! `cargo bench --bench top` prints the median time of a frame at several sizes; then it starts
//! `crake top` in tmux on a store with 10,000 jobs and a million runs and prints how long the first
//! frame took, its memory, the CPU time and wake-ups of 20 idle seconds, and the CPU time of 20
//! seconds in which a thousand runs end each second.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crake::clock::{Clock, SystemClock};
use crake::config::Paths;
use crake::model::{Command as Line, Job, Policy, Spec};
use crake::schedule::Zone;
use crake::store::{NewSchedule, Store};
use crake::tui::data::LogPage;
use crake::tui::feed::Feed;
use crake::tui::message::Message;
use crake::tui::sources::Facts;
use crake::tui::state::{Setting, State, Tab};
use crake::tui::theme::Theme;
use crake::tui::update::update;
use crake::tui::want::want;
use crake::view::Daemon;

/// Frames of which the median counts.
const FRAMES: usize = 400;
/// Jobs and runs of the large store.
const JOBS: usize = 10_000;
const RUNS: i64 = 1_000_000;
/// Seconds of idling that are measured.
const IDLE: u64 = 20;
/// Seconds of a storm that are measured, and the runs that end in each of them.
const STORM: u64 = 20;
const RATE: u64 = 1_000;

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let paths = Paths::under(dir.path());
    fill(&paths.store);
    frames(&paths.store);
    in_tmux(dir.path());
}

fn ns() -> i128 {
    #[expect(
        clippy::disallowed_methods,
        reason = "milliseconds are too long for a frame"
    )]
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    i128::from(t.tv_sec) * 1_000_000_000 + i128::from(t.tv_nsec)
}

fn fill(path: &Path) {
    let now = SystemClock.now().wall;
    let mut store = Store::open(path).expect("a store");
    let began = ns();
    for n in 0..JOBS {
        let job = Job {
            name: format!("job-{n:05}"),
            spec: Spec::of(Line::Line("true".into())),
            policy: Policy::default(),
            pauses: Vec::new(),
            version: 1,
            listed: true,
        };
        let when = NewSchedule::of(&format!("{} {} * * *", n % 60, n / 60 % 24));
        store
            .put_job(&job, &[when], false, "bench", now)
            .expect("a job");
    }
    let sql = rusqlite::Connection::open(path).expect("the store");
    sql.execute_batch("PRAGMA synchronous = OFF")
        .expect("a setting");
    sql.execute(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
         INSERT INTO run(job, state, queue, priority, run_at, origin, accepted, attempt, max_attempts,
           queued_at, started_at, ended_at, exit_code)
         SELECT printf('job-%05d', i % ?2), CASE WHEN i % 50 = 0 THEN 'failed' ELSE 'succeeded' END,
           'normal', 5, ?3 - (?1 - i) * 4000, 'manual', 1, 1, 1,
           ?3 - (?1 - i) * 4000, ?3 - (?1 - i) * 4000, ?3 - (?1 - i) * 4000 + 700, 0 FROM n",
        rusqlite::params![RUNS, JOBS as i64, now],
    )
    .expect("runs");
    sql.execute(
        "UPDATE due SET next_at = ?1 + 3600000 + schedule * 1000",
        [now],
    )
    .expect("cursors");
    println!(
        "{JOBS} jobs and {RUNS} runs written in {:.1} s",
        (ns() - began) as f64 / 1e9
    );
}

fn facts() -> Facts<'static> {
    Facts {
        heard: Box::new(|| Daemon {
            up: true,
            ..Daemon::default()
        }),
        workers: Box::new(|_, _, _| Ok(Vec::new())),
        logs: Box::new(|_, run, attempt, _| LogPage {
            run,
            attempt,
            ..LogPage::default()
        }),
        definition: Box::new(|_, _| Ok(String::new())),
    }
}

fn frames(path: &Path) {
    let clock = SystemClock;
    let mut feed = Feed::new(path, Zone::utc(), &clock, facts());
    for tab in [Tab::Overview, Tab::Jobs, Tab::Runs] {
        let setting = Setting {
            host: "bench".to_owned(),
            zone: Zone::utc(),
            theme: Theme {
                color: true,
                ascii: false,
            },
            read_only: false,
        };
        let now = clock.now().wall;
        let mut state = State::new(setting, now, (80, 24), tab);
        let began = ns();
        let (data, _) = feed.once(want(&state));
        let first = ns() - began;
        update(&mut state, Message::Data(Box::new(data)));
        let began = ns();
        feed.once(want(&state));
        let again = ns() - began;
        print!(
            "{:9} first look {:7.1} ms, next {:6.1} ms;",
            tab.title(),
            first as f64 / 1e6,
            again as f64 / 1e6
        );
        for size in [(80, 24), (120, 35), (160, 45)] {
            state.size = size;
            update(&mut state, Message::Tick(now));
            let mut terminal =
                ratatui::Terminal::new(ratatui::backend::TestBackend::new(size.0, size.1))
                    .expect("a backend");
            let mut times: Vec<i128> = (0..FRAMES)
                .map(|_| {
                    let began = ns();
                    terminal
                        .draw(|frame| crake::tui::screens::draw(&state, frame))
                        .expect("a frame");
                    ns() - began
                })
                .collect();
            times.sort_unstable();
            print!(" {}x{} {} us", size.0, size.1, times[FRAMES / 2] / 1000);
        }
        println!();
    }
}

fn tmux(args: &[&str]) -> String {
    let output = Command::new("tmux")
        .args(["-L", "crake-bench", "-f", "/dev/null"])
        .args(args)
        .output()
        .expect("tmux");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// CPU ticks and voluntary waits of all threads of a process, and its memory in KiB.
fn usage(pid: &str) -> (u64, u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let number = |at: usize| {
        fields
            .get(at)
            .and_then(|f| f.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let of = |text: &str, name: &str| {
        let line = text.lines().find(|l| l.starts_with(name)).unwrap_or("");
        line.split_whitespace()
            .nth(1)
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let mut waits = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let text = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        waits += of(&text, "voluntary_ctxt_switches");
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    (number(11) + number(12), waits, of(&status, "VmRSS"))
}

fn in_tmux(home: &Path) {
    let line = format!(
        "CRAKE_HOME={} TERM=xterm-256color exec {} top",
        home.display(),
        env!("CARGO_BIN_EXE_crake")
    );
    let began = ns();
    tmux(&[
        "new-session",
        "-d",
        "-x",
        "80",
        "-y",
        "24",
        "sh",
        "-c",
        &line,
    ]);
    while !tmux(&["capture-pane", "-p"]).contains("NEEDS ATTENTION") {
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("first frame after {} ms", (ns() - began) / 1_000_000);
    while !tmux(&["capture-pane", "-p"]).contains("Jobs 10000") {
        std::thread::sleep(Duration::from_millis(2));
    }
    println!(
        "first frame with data after {} ms",
        (ns() - began) / 1_000_000
    );
    let pid = tmux(&["display-message", "-p", "#{pane_pid}"])
        .trim()
        .to_owned();
    // What follows a start is over: the screen is as it will be.
    std::thread::sleep(Duration::from_secs(15));
    let before = usage(&pid);
    std::thread::sleep(Duration::from_secs(IDLE));
    let after = usage(&pid);
    println!(
        "idle: {:.2} % CPU, {:.1} wake-ups a second, {} KiB resident",
        (after.0 - before.0) as f64 / IDLE as f64,
        (after.1 - before.1) as f64 / IDLE as f64,
        after.2
    );
    let before = usage(&pid);
    storm(&Paths::under(home).store);
    let after = usage(&pid);
    println!(
        "{RATE} ends a second: {:.2} % CPU, {:.1} wake-ups a second, {} KiB resident",
        (after.0 - before.0) as f64 / STORM as f64,
        (after.1 - before.1) as f64 / STORM as f64,
        after.2
    );
    tmux(&["kill-server"]);
}

/// Runs end, a hundred commits a second.
fn storm(path: &Path) {
    let sql = rusqlite::Connection::open(path).expect("the store");
    sql.execute_batch("PRAGMA synchronous = OFF")
        .expect("a setting");
    let began = ns();
    for tick in 0..STORM * 100 {
        let now = SystemClock.now().wall;
        sql.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
             INSERT INTO run(job, state, queue, priority, run_at, origin, accepted, attempt, max_attempts,
               queued_at, started_at, ended_at, exit_code)
             SELECT printf('job-%05d', (?2 * ?1 + i) % ?3), 'succeeded', 'normal', 5, ?4, 'manual', 1, 1,
               1, ?4, ?4, ?4, 0 FROM n",
            rusqlite::params![(RATE / 100) as i64, tick as i64, JOBS as i64, now],
        )
        .expect("runs");
        let next = began + i128::from(tick + 1) * 10_000_000;
        let rest = u64::try_from(next - ns()).unwrap_or(0);
        std::thread::sleep(Duration::from_nanos(rest));
    }
}
