//! `export`: what was imported comes out as it went in, what is made anew is read back the same.

use std::process::Command;

use crate::support::corpus::corpus;
use crate::support::sandbox::Sandbox;

/// The bytes a command writes.
fn bytes_of(sandbox: &Sandbox, args: &[&str]) -> Vec<u8> {
    let output = sandbox.command().args(args).output().expect("the program");
    assert!(output.status.success(), "{args:?}: {output:?}");
    output.stdout
}

#[test]
fn export_of_every_unchanged_table_is_byte_identical() {
    let files = corpus();
    for file in &files {
        for dialect in ["debian", "cronie"] {
            let sandbox = Sandbox::new();
            let path = file.path.display().to_string();
            let format = &file.format;
            let args = [
                "import",
                &path,
                "--dialect",
                dialect,
                "--format",
                format,
                "--days",
                "0",
            ];
            sandbox.run(&args);
            let form = if format == "system" {
                "cron.d"
            } else {
                "crontab"
            };
            let out = bytes_of(&sandbox, &["export", "--as", form]);
            assert_eq!(out, file.bytes, "{} as {dialect}", file.name);
        }
    }
    eprintln!("{} tables in two dialects", files.len());
}

#[test]
fn export_of_a_changed_job_changes_its_line_alone() {
    let sandbox = Sandbox::new();
    let table = b"# head\nA=1\n1 1 * * * /opt/a 100\\% x\n\n2 2 * * * /opt/b%in\n3 3 * * * /opt/c";
    let path = sandbox
        .file("table", &[table.as_slice(), b"\n"].concat())
        .display()
        .to_string();
    sandbox.ok(&["import", &path, "--dialect", "debian"]);
    sandbox.ok(&["edit", "a", "-s", "5 5 * * 1-5"]);
    sandbox.ok(&["rm", "c", "--yes"]);
    let out = bytes_of(&sandbox, &["export", "--as", "crontab"]);
    let text = String::from_utf8(out).expect("text");
    assert_eq!(
        text,
        "# head\nA=1\n5 5 * * 1-5 /opt/a 100\\% x\n\n2 2 * * * /opt/b%in\n"
    );
}

#[test]
fn export_refuses_what_a_crontab_cannot_say_and_loses_nothing_in_silence() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "often", "-s", "every 90s", "-c", "x"]);
    sandbox.ok(&[
        "add",
        "plain",
        "-s",
        "*/5 1-3 1 jan mon",
        "-c",
        "date +%F \\\\ y",
        "--stdin",
        "a%b\nc\n",
    ]);
    let refused = sandbox.run(&["export", "--as", "crontab"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(
        refused.stderr.contains("overlap rule") && refused.stdout.is_empty(),
        "{refused:?}"
    );
    let lossy = sandbox.run(&["export", "--as", "crontab", "--lossy"]);
    assert_eq!(lossy.code, 5, "{lossy:?}");
    assert!(
        lossy.stderr.contains("no crontab can say `every 90s`"),
        "{lossy:?}"
    );
    assert_eq!(
        lossy.stdout,
        "*/5 1-3 1 jan mon date +\\%F \\\\\\\\ y%a\\%b%c\n"
    );
    // Through our own reader it is the same job again.
    let second = Sandbox::new();
    let item = second
        .feed(
            lossy.stdout.as_bytes(),
            &["import", "-", "--json", "--dialect", "debian"],
        )
        .json();
    let job = &item["item"]["jobs"][0];
    assert_eq!(job["command"], "date +%F \\\\ y");
    assert_eq!(job["stdin"], "a%b\nc\n");
    assert_eq!(job["equal"], true);
}

#[test]
fn export_to_systemd_fires_when_cron_does() {
    let sandbox = Sandbox::new();
    let table = b"0 8 1 * 1 /opt/or\n@weekly /opt/week\n*/20 9-17 * 1,6 mon-fri /opt/work\n0 0 */2 * 1 /opt/and\n";
    let path = sandbox.file("table", table).display().to_string();
    sandbox.ok(&["import", &path, "--dialect", "debian"]);
    let answer = sandbox.ok(&["export", "--as", "systemd", "--lossy"]);
    let calendars: Vec<&str> = answer
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("OnCalendar="))
        .collect();
    assert_eq!(
        calendars,
        [
            "Mon *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 00:00:00",
            "*-*-01 08:00:00",
            "Mon *-*-* 08:00:00",
            "Sun *-*-* 00:00:00",
            "Mon,Tue,Wed,Thu,Fri *-01,06-* 09,10,11,12,13,14,15,16,17:00,20,40:00",
        ]
    );
    let analyze = "/usr/bin/systemd-analyze";
    if !crate::support::facility::program(analyze) {
        return;
    }
    for (job, calendar) in [
        ("and", calendars[0]),
        ("week", calendars[3]),
        ("work", calendars[4]),
    ] {
        let out = Command::new(analyze)
            .args(["calendar", "--iterations=5", calendar])
            .env("TZ", "UTC")
            .output()
            .expect("systemd-analyze");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let theirs: Vec<String> = text
            .lines()
            .filter_map(|line| {
                let (_, at) = line
                    .split_once("Next elapse: ")
                    .or_else(|| line.split_once("Iter. #")?.1.split_once(": "))?;
                let words: Vec<&str> = at.split_whitespace().collect();
                Some(format!("{}T{}+00:00", words.get(1)?, words.get(2)?))
            })
            .collect();
        let ours: Vec<String> = sandbox
            .items(&["next", job, "-n", "5"])
            .iter()
            .map(|item| {
                item["at"]
                    .as_str()
                    .expect("an instant")
                    .replace('Z', "+00:00")
            })
            .collect();
        assert_eq!(theirs, ours, "{text}");
    }
}

#[test]
fn export_to_toml_reads_back() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "one", "-s", "every 90s", "-c", "x", "--retry", "3"]);
    let out = sandbox.ok(&["export"]);
    assert!(
        out.stdout.contains("[job.one") && out.stdout.contains("retry = 3"),
        "{out:?}"
    );
}
