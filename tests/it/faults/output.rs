//! Output that is too much, too small, endless or hostile, and readers that stall or die.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::lateness::machine;
use super::offered;
use crate::support::instance::{Instance, end_of, signal};
use crate::support::wait::{mono, pass};

/// Milliseconds from the start of a run to its end.
fn took(instance: &Instance, run: i64) -> i64 {
    instance.ended(run)["took_ms"].as_i64().unwrap()
}

/// Milliseconds the same line takes with its output in a pipe to `cat`.
fn bare(line: &str) -> i64 {
    let since = mono();
    let piped = format!("{{ {line}; }} | cat > /dev/null");
    assert!(
        Command::new("/bin/sh")
            .args(["-c", &piped])
            .status()
            .unwrap()
            .success()
    );
    mono() - since
}

/// A run takes no more than twice as long as with its output in a pipe, and this to start and end.
/// Others use the machine as well, so one pair of several will do.
fn hardly_slower(instance: &Instance, job: &str, line: &str, ms: i64) {
    let pairs = (0..5).map(|_| (took(instance, instance.request(job)), bare(line)));
    let fair = pairs
        .inspect(|(here, bare)| println!("{job}: {here} ms here, {bare} ms into a pipe to cat"))
        .any(|(here, bare)| here <= 2 * bare + ms);
    assert!(fair, "{job} is held up");
}

#[test]
#[ignore = "needs the machine for itself"]
fn output_is_taken_at_half_the_speed_of_a_pipe_or_better() {
    let _machine = machine();
    let instance = Instance::running();
    let (much, bytes) = (
        "head -c 1000000000 /dev/zero",
        "dd if=/dev/zero bs=1 count=1000000 status=none",
    );
    instance.add("much", much, &[]);
    instance.add("bytes", bytes, &[]);
    hardly_slower(&instance, "much", much, 500);
    hardly_slower(&instance, "bytes", bytes, 1_000);
}

#[test]
fn a_gigabyte_of_output_is_capped_and_counted() {
    let _machine = machine();
    let instance = Instance::running();
    let line = "head -c 1000000000 /dev/zero";
    instance.add("much", line, &[]);
    instance.ended(instance.request("much"));
    let kept: i64 = instance
        .cell("SELECT out_bytes - out_dropped FROM attempt")
        .unwrap();
    let total: i64 = instance.cell("SELECT out_bytes FROM attempt").unwrap();
    assert_eq!(total, 1_000_000_000);
    let cap = i64::try_from(crake::model::Spec::default_output_max()).unwrap();
    assert!(kept <= cap, "{kept} bytes were kept");
}

#[test]
fn a_million_single_bytes_are_kept_to_the_cap_and_counted() {
    let _machine = machine();
    let instance = Instance::running();
    // One write for each byte: dd does not gather.
    let line = "dd if=/dev/zero bs=1 count=1000000 status=none";
    instance.add("bytes", line, &["--output-max", "64K"]);
    instance.ended(instance.request("bytes"));
    let total: i64 = instance.cell("SELECT out_bytes FROM attempt").unwrap();
    assert_eq!(total, 1_000_000);
}

#[test]
fn hostile_bytes_are_kept_raw_and_shown_clean() {
    if !offered(
        "script, for a terminal",
        Path::new("/usr/bin/script").exists(),
    ) {
        return;
    }
    let instance = Instance::running();
    // A new title, an answer-back, a cleared screen, NULs, broken UTF-8, and a line without an end.
    let hostile = r"printf 'a\000b\033]0;owned\007\033[2J\033[6n\377\376\303(\302\233c\rx no end'";
    instance.add("hostile", hostile, &[]);
    let run = instance.request("hostile");
    assert_eq!(instance.ended(run)["state"], "succeeded");
    let raw = instance
        .sandbox
        .command()
        .args(["logs", "--raw", "hostile"])
        .output()
        .unwrap();
    let expected = b"a\0b\x1b]0;owned\x07\x1b[2J\x1b[6n\xff\xfe\xc3(\xc2\x9bc\rx no end";
    assert_eq!(
        raw.stdout,
        expected,
        "{:?}",
        String::from_utf8_lossy(&raw.stdout)
    );
    // On a terminal; into a pipe the bytes go as they are.
    for args in ["logs hostile", "history", "explain hostile", "list"] {
        let line = format!("{} {args}", env!("CARGO_BIN_EXE_crake"));
        let mut terminal = Command::new("/usr/bin/script");
        terminal
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::null());
        let home = instance.sandbox.path("home");
        let shown = terminal
            .env("CRAKE_HOME", home)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let text = String::from_utf8(shown.stdout).expect("UTF-8");
        assert!(
            text.contains("hostile") || text.contains("no end"),
            "{args}: {text:?}"
        );
        let odd = text.replace("\r\n", "\n");
        let odd = odd.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(odd, None, "{args}: {text:?}");
    }
}

#[test]
fn a_reader_of_the_log_that_stalls_or_dies_holds_nobody_up() {
    let instance = Instance::running();
    instance.add("tick", "true", &["-s", "every 1s"]);
    let line = "for i in 1 2 3 4 5 6; do head -c 3000000 /dev/zero; sleep 0.3; done; echo end";
    instance.add("wordy", line, &[]);
    let run = instance.request("wordy");
    instance.until_sql(&format!(
        "(SELECT state FROM run WHERE id = {run}) = 'running'"
    ));
    let mut readers: Vec<_> = (0..2)
        .map(|_| {
            let mut logs = instance.sandbox.command();
            logs.args(["logs", "-f", "--raw", &run.to_string()]);
            logs.stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut byte = [0];
    readers[0]
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut byte)
        .unwrap();
    // The first reads no further, the second goes away.
    drop(readers[1].stdout.take());
    let done: i64 = instance
        .cell("SELECT count(*) FROM run WHERE job = 'tick'")
        .unwrap();
    let ended = instance.ended(run);
    assert_eq!(ended["state"], "succeeded", "{ended}");
    instance.succeeded("tick", done + 1);
    end_of(&mut readers[1]);
    signal(i32::try_from(readers[0].id()).unwrap(), Signal::KILL);
    readers[0].wait().unwrap();
}

#[test]
fn readers_killed_in_the_middle_pin_no_wal() {
    let instance = Instance::running();
    instance.add("tick", "true", &["-s", "every 1s"]);
    instance.add("asked", "true", &["--overlap", "allow"]);
    for _ in 0..20 {
        instance.request("asked");
    }
    for moment in 1..30 {
        let mut reader = instance.sandbox.command();
        let reader = reader.args(["history", "-n", "1000"]).stdout(Stdio::null());
        let mut reader = reader.stderr(Stdio::null()).spawn().unwrap();
        // Some are stopped first, as by ^Z, with a transaction open or not.
        pass(moment % 8);
        if moment % 3 == 0 {
            signal(i32::try_from(reader.id()).unwrap(), Signal::STOP);
            pass(30);
        }
        signal(i32::try_from(reader.id()).unwrap(), Signal::KILL);
        reader.wait().unwrap();
    }
    let done: i64 = instance
        .cell("SELECT count(*) FROM run WHERE job = 'tick'")
        .unwrap();
    instance.succeeded("tick", done + 1);
    // Whoever asks for the whole log to be written back gets it, and would not if somebody read.
    let sql = instance.sql();
    let patience = std::time::Duration::from_secs(10);
    sql.busy_timeout(patience).unwrap();
    assert_eq!(written_back(&sql), 0, "somebody still reads");
    let pin = instance.sql();
    pin.execute_batch("BEGIN; SELECT count(*) FROM run")
        .unwrap();
    instance.request("asked");
    sql.busy_timeout(std::time::Duration::ZERO).unwrap();
    assert_eq!(written_back(&sql), 1, "the test sees no reader");
}

fn written_back(sql: &rusqlite::Connection) -> i64 {
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    sql.query_row(checkpoint, [], |r| r.get(0)).unwrap()
}
