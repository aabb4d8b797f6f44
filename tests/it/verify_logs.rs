//! `verify`: a month of cron's log beside what crake plans.

use std::io::Write;

use crake::crontab::{CronClock, Dialect, Format, Table, cron_fires, log_text, split_command};
use crake::schedule::{UnixMs, Zone};
use serde_json::Value;

use crate::support::sandbox::Sandbox;

const TABLE: &str = "30 2 * * * /opt/night\n*/20 9-17 * * mon-fri /opt/work  two blanks\n0 0 1 * 1 /opt/or\n5 * * * * date +\\%F%in\n0 4 30 2 * /opt/never\n@reboot /opt/boot\n0 12 * * sat /opt/\u{e9}\r\n";

/// 2026-03-01T00:00 in Berlin; the clock is put forward on the 29th.
const FROM: UnixMs = 1_772_319_600_000;
const DAYS: i64 = 31;
const MINUTE: i64 = 60_000;

/// What cron logs in the month, by its own bit sets: instant and command.
fn month() -> Vec<(UnixMs, String)> {
    let zone = Zone::named("Europe/Berlin").expect("a zone");
    let table = Table::parse(TABLE.as_bytes(), Dialect::Debian, Format::User);
    let mut starts = Vec::new();
    for (_, entry) in table.entries().filter(|(_, entry)| !entry.reboot) {
        let command = split_command(&entry.raw_command, Dialect::Debian).command;
        let clock = CronClock::Loop(Dialect::Debian);
        let fires = cron_fires(&entry.sets, &zone, clock, FROM, DAYS * 1440 - 60);
        starts.extend(fires.into_iter().map(|at| (at, log_text(&command))));
    }
    starts.sort();
    starts
}

/// The clock of Berlin at an instant of that month.
fn clock(at: UnixMs) -> String {
    let zone = Zone::named("Europe/Berlin").expect("a zone");
    let at = zone.to_local(at + 1_300);
    format!(
        "Mar {:2} {:02}:{:02}:{:02}",
        at.day, at.hour, at.minute, at.second
    )
}

fn syslog(starts: &[(UnixMs, String)]) -> String {
    let line = |(at, command): &(UnixMs, String)| {
        format!(
            "{} host CRON[123]: (ana) CMD ({command})\n{} host sshd[9]: hello: (x) CMD (y)\n",
            clock(*at),
            clock(*at)
        )
    };
    starts.iter().map(line).collect()
}

fn rfc3339(starts: &[(UnixMs, String)]) -> String {
    let line = |(at, command): &(UnixMs, String)| {
        let when = chrono::DateTime::from_timestamp_millis(at + 1_300)
            .expect("a time")
            .to_rfc3339();
        format!(
            "{when} host CRON[123]: (ana) CMD ([77] {command})\n{when} host CRON[123]: (ana) END ([77] {command})\n"
        )
    };
    starts.iter().map(line).collect()
}

fn journal(starts: &[(UnixMs, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, command) in starts {
        let message = format!("(ana) CMD ({command})");
        let micros = (at + 1_300) * 1_000;
        write!(
            bytes,
            "__CURSOR=s=1\n__REALTIME_TIMESTAMP={micros}\nSYSLOG_IDENTIFIER=CRON\nMESSAGE\n"
        )
        .unwrap();
        bytes.extend(u64::try_from(message.len()).unwrap().to_le_bytes());
        write!(bytes, "{message}\n\n").unwrap();
    }
    bytes
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn imported() -> Sandbox {
    let sandbox = Sandbox::new();
    let path = sandbox
        .file("var/spool/cron/crontabs/ana", TABLE.as_bytes())
        .display()
        .to_string();
    // The owner of the log's lines is whoever imports, under another name.
    let answer = sandbox.run(&[
        "import",
        &path,
        "--dialect",
        "debian",
        "--tz",
        "Europe/Berlin",
        "--format",
        "user",
    ]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let store = rusqlite::Connection::open(sandbox.store()).expect("the store");
    store
        .execute("UPDATE crontab SET owner = 'ana'", [])
        .expect("an owner");
    sandbox
}

fn verify(sandbox: &Sandbox, logs: &[&str]) -> (i32, Value) {
    let mut args = vec![
        "verify",
        "--json",
        "--tz",
        "Europe/Berlin",
        "--year",
        "2026",
    ];
    for log in logs {
        args.extend(["--log", log]);
    }
    let answer = sandbox.run(&args);
    (answer.code, answer.json()["item"].clone())
}

fn fires(item: &Value, key: &str) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let all = item[key].as_array().expect("a list");
    all.iter()
        .map(|fire| (text(&fire["at"]), text(&fire["job"])))
        .collect()
}

#[test]
fn verify_finds_one_missing_and_one_extra_fire_in_a_month_and_nothing_else() {
    let sandbox = imported();
    let mut starts = month();
    assert!(starts.len() > 1_300, "{}", starts.len());
    let at = |text: &str| {
        chrono::DateTime::parse_from_rfc3339(text)
            .expect("a time")
            .timestamp_millis()
    };
    let missing = at("2026-03-17T02:30:00+01:00");
    let extra = at("2026-03-21T02:31:00+01:00");
    let whole = starts.clone();
    starts.retain(|(at, command)| !(*at == missing && command == "/opt/night"));
    assert_eq!(starts.len() + 1, whole.len());
    starts.push((extra, "/opt/night".to_owned()));
    starts.sort();

    let half = starts.len() / 2;
    let (old, new) = starts.split_at(half);
    let files = [
        ("syslog", syslog(&starts).into_bytes()),
        ("rfc3339", rfc3339(&starts).into_bytes()),
        ("journal", journal(&starts)),
        ("whole", syslog(&whole).into_bytes()),
        ("syslog.2.gz", gz(syslog(old).as_bytes())),
        ("syslog.1", syslog(new).into_bytes()),
    ];
    let paths: Vec<String> = files
        .iter()
        .map(|(name, bytes)| sandbox.file(name, bytes).display().to_string())
        .collect();
    let (code, item) = verify(&sandbox, &[&paths[3]]);
    assert_eq!(
        (code, &item["verdict"]),
        (0, &Value::from("equal")),
        "{item}"
    );
    assert_eq!(item["matched"], whole.len());
    for logs in [&paths[0..1], &paths[1..2], &paths[2..3], &paths[4..6]] {
        let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
        let (code, item) = verify(&sandbox, &logs);
        assert_eq!(code, 8, "{logs:?}: {item}");
        assert_eq!(
            fires(&item, "missing"),
            [("2026-03-17T02:30:00+01:00".to_owned(), "night".to_owned())]
        );
        assert_eq!(
            fires(&item, "extra"),
            [("2026-03-21T02:31:00+01:00".to_owned(), "night".to_owned())]
        );
        assert_eq!(item["gaps"], Value::Array(Vec::new()));
        assert_eq!(item["unknown"], Value::Array(Vec::new()));
    }
}

#[test]
fn verify_tells_a_gap_of_the_log_from_fires_that_are_missing() {
    let sandbox = imported();
    let mut starts = month();
    let from = FROM + 10 * 86_400_000;
    starts.retain(|(at, _)| !(from..from + 600 * MINUTE).contains(at));
    let path = sandbox
        .file("log", syslog(&starts).as_bytes())
        .display()
        .to_string();
    let (code, item) = verify(&sandbox, &[&path]);
    assert_eq!(code, 8, "{item}");
    assert_eq!(item["missing"], Value::Array(Vec::new()), "{item}");
    assert_eq!(item["gaps"].as_array().map(Vec::len), Some(1), "{item}");
    // Without a word of what was imported there is nothing to compare.
    let nothing = Sandbox::new();
    let log = nothing
        .file("log", syslog(&starts).as_bytes())
        .display()
        .to_string();
    let refused = nothing.run(&["verify", "--log", &log]);
    assert_eq!(refused.code, 3, "{refused:?}");
}
