//! A night on a server, for the frames of the dashboard: a real store filled by hand, a clock that
//! stands still, a daemon and workers as they are told.

use std::sync::Arc;

use crake::clock::ManualClock;
use crake::model::{Exit, Gap, MissReason, Outcome, Pause, Record, RunId, Verdict};
use crake::schedule::{UnixMs, Zone};
use crake::store::Store;
use crake::tui::data::{LogLine, LogPage, Worker};
use crake::tui::feed::Feed;
use crake::tui::message::{Effect, Message};
use crake::tui::sources::{Facts, Place};
use crake::tui::state::{Setting, State, Tab};
use crake::tui::theme::Theme;
use crake::tui::update::update;
use crake::tui::want::{Want, want};
use crake::view::Daemon;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};

use crate::support::bench::{Bench, fire, live_run, new_run, whole_run};

/// Monday 2026-09-21 03:12:44 in Berlin.
pub const NOW: UnixMs = 1_789_953_164_000;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A store with this night in it.
pub fn night() -> Bench {
    let mut bench = Bench::new();
    bench.now = NOW;
    let long_ago = NOW - 20 * 24 * HOUR;
    let of = |name: &str, expr: &str| bench.job(name, Some(expr), long_ago).remove(0);
    let backup = of("backup-db", "30 0 * * *");
    of("etl-orders", "*/40 * * * *");
    of("index-search", "*/20 * * * *");
    let mirror = of("sync-mirror", "*/15 * * * *");
    of("ping-upstream", "* * * * *");
    let vacuum = of("vacuum", "40 22 * * *");
    of("report-daily", "0 4 * * 1-5");
    bench.job("billing-close", None, long_ago);
    let mut records = Vec::new();
    let mut number = 100;
    let mut ran = |job: &str, ok: bool, at: UnixMs| {
        number += 1;
        let (outcome, exit) = match ok {
            true => (Outcome::Succeeded, Exit::Code(0)),
            false => (Outcome::Failed, Exit::Code(1)),
        };
        records.extend(whole_run(number, job, outcome, exit, at));
    };
    for day in (1..=14).rev() {
        ran("backup-db", day != 4, NOW - 42 * MINUTE - day * 24 * HOUR);
    }
    for hour in (1..=5).rev() {
        ran("sync-mirror", true, NOW - hour * HOUR);
        ran("etl-orders", true, NOW - 3 * HOUR - hour * 40 * MINUTE);
    }
    for minute in (1..=9).rev() {
        ran("ping-upstream", minute != 6, NOW - minute * MINUTE + 16_000);
    }
    ran("backup-db", false, NOW - 42 * MINUTE);
    records.extend(live_run(142, "etl-orders", NOW - 108 * MINUTE));
    records.extend(live_run(151, "sync-mirror", NOW - 44_000));
    records.push(Record::New(new_run(153, "billing-close", NOW - 3_000)));
    let at = NOW - 4 * HOUR - 32 * MINUTE - 44_000;
    records.push(Record::Fire(fire(&vacuum, at, Verdict::Missed)));
    for planned in [&backup, &mirror] {
        let at = NOW - 12 * MINUTE - 44_000;
        records.push(Record::Fire(fire(planned, at, Verdict::Overlap)));
    }
    records.push(Record::Gap(Gap {
        from: NOW - 5 * HOUR,
        until: NOW - 4 * HOUR,
        reason: MissReason::Asleep,
    }));
    bench.record(&records);
    let pause = Pause {
        from: NOW - 20 * HOUR,
        until: None,
        by: "ana".to_owned(),
        reason: Some("disk is being replaced".to_owned()),
    };
    bench.store().pause_job("report-daily", &pause).unwrap();
    plan_on(&bench);
    bench
}

/// Puts the cursor of every schedule where a daemon would have it.
fn plan_on(bench: &Bench) {
    let store = bench.store();
    let sql = rusqlite::Connection::open(bench.paths().store).unwrap();
    for row in store.jobs().unwrap() {
        for (planned, _) in row.schedules {
            let next = planned
                .schedule(&Zone::utc())
                .unwrap()
                .next_after(NOW)
                .unwrap();
            sql.execute(
                "UPDATE due SET next_at = ?1 WHERE schedule = ?2",
                [next, planned.id.0],
            )
            .unwrap();
        }
    }
}

/// How a scene is looked at.
#[derive(Clone)]
pub struct Eye {
    pub size: (u16, u16),
    pub tab: Tab,
    pub color: bool,
    pub ascii: bool,
    pub read_only: bool,
    pub daemon: Daemon,
}

impl Eye {
    /// A usual terminal.
    pub fn on(tab: Tab) -> Eye {
        Eye {
            size: (80, 24),
            tab,
            color: true,
            ascii: false,
            read_only: false,
            daemon: Daemon {
                up: true,
                pid: Some(812),
                beat_age_ms: Some(310),
                since: Some(NOW - 6 * 24 * HOUR),
                ..Daemon::default()
            },
        }
    }

    /// A daemon that was gone for 41 seconds.
    pub fn without_daemon(mut self) -> Eye {
        self.daemon = Daemon {
            since: Some(NOW - 41_000),
            ..Daemon::default()
        };
        self
    }

    pub fn sized(mut self, width: u16, height: u16) -> Eye {
        self.size = (width, height);
        self
    }
}

/// The dashboard on a store, without terminal and threads.
pub struct Stage<'a> {
    pub state: State,
    feed: Feed<'a>,
    wanted: Want,
    /// What was to be done outside, in order.
    pub effects: Vec<Effect>,
}

/// A clock that stands still.
pub fn clock() -> ManualClock {
    ManualClock::at(NOW)
}

impl<'a> Stage<'a> {
    /// Looks at a store.
    pub fn new(bench: &Bench, clock: &'a ManualClock, eye: &Eye) -> Stage<'a> {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let setting = Setting {
            host: "web-03".to_owned(),
            zone: zone.clone(),
            theme: Theme {
                color: eye.color,
                ascii: eye.ascii,
            },
            read_only: eye.read_only,
        };
        let daemon = eye.daemon.clone();
        let facts = Facts {
            heard: Box::new(move || daemon.clone()),
            workers: Box::new(|_, _, _| Ok(workers())),
            logs: Box::new(output),
            definition: Box::new(|_, job| Ok(format!("# {job}\ncommand = \"true\"\n"))),
        };
        let mut stage = Stage {
            state: State::new(setting, NOW, eye.size, eye.tab),
            feed: Feed::new(&bench.paths().store, zone, clock, facts),
            wanted: Want::default(),
            effects: Vec::new(),
        };
        stage.read();
        stage
    }

    /// Reads what the screen needs until it needs nothing more.
    pub fn read(&mut self) {
        for _ in 0..4 {
            let wanted = want(&self.state);
            let (data, daemon) = self.feed.once(wanted.clone());
            self.take(Message::Daemon(Box::new(daemon), NOW));
            self.take(Message::Data(Box::new(data)));
            self.wanted = want(&self.state);
            if self.wanted == wanted {
                return;
            }
        }
    }

    /// Takes a message in.
    pub fn take(&mut self, message: Message) {
        let effects = update(&mut self.state, message);
        self.effects.extend(effects);
    }

    /// Types: letters as they are, other keys as `<Enter>`, `<C-d>`; the store is read after each.
    pub fn keys(&mut self, script: &str) {
        let mut rest = script;
        while let Some(c) = rest.chars().next() {
            let name = rest.strip_prefix('<').and_then(|r| r.split_once('>'));
            let (key, after) = match name {
                Some((name, after)) => (named(name), after),
                None => (
                    KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE),
                    &rest[c.len_utf8()..],
                ),
            };
            rest = after;
            self.take(Message::Key(key));
            if want(&self.state) != self.wanted {
                self.read();
            }
        }
    }

    /// The frame.
    pub fn frame(&self) -> Buffer {
        crake::tui::once::frame(&self.state)
    }

    /// The text of the frame.
    pub fn text(&self) -> String {
        crake::tui::once::text(&self.frame())
    }
}

fn named(name: &str) -> KeyEvent {
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    match name {
        "Enter" => plain(KeyCode::Enter),
        "Esc" => plain(KeyCode::Esc),
        "Tab" => plain(KeyCode::Tab),
        "Down" => plain(KeyCode::Down),
        "End" => plain(KeyCode::End),
        "Home" => plain(KeyCode::Home),
        "PgUp" => plain(KeyCode::PageUp),
        "BS" => plain(KeyCode::Backspace),
        other => {
            let letter = other.strip_prefix("C-").and_then(|l| l.chars().next());
            let letter = letter.unwrap_or_else(|| panic!("no key <{other}>"));
            KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
        }
    }
}

fn workers() -> Vec<Worker> {
    let carries = |name: &str, state: &str, run: i64, job: &str, busy_ms| Worker {
        name: name.to_owned(),
        state: state.to_owned(),
        queue: Some("normal".to_owned()),
        run: Some(RunId(run)),
        job: Some(job.to_owned()),
        pid: Some(42_110),
        busy_ms: Some(busy_ms),
        cpu_percent: Some(12),
        rss_bytes: Some(18 << 20),
        quiet_ms: Some(1_000),
        evidence: Vec::new(),
    };
    let mut stuck = carries("w2", "stuck", 142, "etl-orders", 108 * MINUTE);
    stuck.cpu_percent = Some(0);
    stuck.quiet_ms = Some(41 * MINUTE);
    stuck.evidence = vec![
        "past two of its next fires".to_owned(),
        "no output for 41m and CPU 0%".to_owned(),
        "waits in do_poll on a socket to 10.0.0.5:5432".to_owned(),
    ];
    let idle = Worker {
        name: "w3".to_owned(),
        state: "idle".to_owned(),
        ..Worker::default()
    };
    vec![
        stuck,
        carries("w1", "running", 151, "sync-mirror", 44_000),
        idle,
    ]
}

/// Output that a terminal should not obey, wide characters and a long line among 300 lines.
fn output(_: &Store, run: RunId, attempt: u32, place: Place) -> LogPage {
    let text = |n: usize| match n {
        0 => "pgbackup 4.2 starting, 14 databases".to_owned(),
        1 => "\u{1b}[31mred\u{1b}[0m \u{202e}txet \u{1b}]0;title\u{7}plain".to_owned(),
        2 => "日本語の行 shard 3/12".to_owned(),
        3 => "long ".repeat(60),
        299 => "pgbackup: giving up after 3 tries".to_owned(),
        298 => "pg_dump: error: connection to server at \"db1\" failed: refused".to_owned(),
        n => format!("line {n}"),
    };
    let lines = (0..300).map(|n| LogLine {
        at: NOW - 42 * MINUTE + 10 * n as i64,
        err: n == 298,
        text: text(n),
    });
    let first = match place {
        Place::End => 0,
        Place::From(from) => from.min(299),
    };
    LogPage {
        run,
        attempt,
        first,
        lines: Arc::new(lines.skip(first).collect()),
        total: 300,
        dropped: 0,
        done: run != RunId(142),
        error: None,
    }
}

/// A frame as text with its styles below: a letter for each cell that is not plain.
pub fn with_styles(frame: &Buffer) -> String {
    let mut styles = String::new();
    for y in 0..frame.area.height {
        let line: String = (0..frame.area.width).map(|x| letter(frame, x, y)).collect();
        styles.push_str(line.trim_end());
        styles.push('\n');
    }
    format!("{}--- styles\n{styles}", crake::tui::once::text(frame))
}

/// `#` under the cursor; the first letter of the colour, a capital where it is bold; `B` bold, `d`
/// dim.
fn letter(frame: &Buffer, x: u16, y: u16) -> char {
    let cell = &frame[(x, y)];
    let has = |modifier| cell.modifier.contains(modifier);
    let color = match cell.fg {
        Color::Red => 'r',
        Color::Green => 'g',
        Color::Yellow => 'y',
        Color::Magenta => 'm',
        Color::Cyan => 'c',
        Color::Reset => ' ',
        other => panic!("{other:?} is none of the colours that are used"),
    };
    assert_eq!(cell.bg, Color::Reset, "the background is the user's");
    match color {
        _ if has(Modifier::REVERSED) => '#',
        ' ' if has(Modifier::BOLD) => 'B',
        ' ' if has(Modifier::DIM) => 'd',
        ' ' => ' ',
        color if has(Modifier::BOLD) => color.to_ascii_uppercase(),
        color => color,
    }
}
