//! Jobs files nobody thought of: drawn at random, and broken at random.

use crate::support::instance::Instance;
use crate::support::sandbox::Sandbox;

/// splitmix64.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}

/// Keys with values they can have, also odd ones.
const VALUES: &[(&str, &[&str])] = &[
    (
        "description",
        &["'x'", "\"\"", "\"zwei\\nZeilen \\\"\\\\ \\u0007 日本\""],
    ),
    ("timezone", &["'UTC'", "'America/New_York'", "'system'"]),
    ("dst", &["'utc'", "'vixie'", "'both'"]),
    ("enabled", &["true", "false"]),
    ("jitter", &["'1s'", "'0s'", "'1500ms'"]),
    (
        "start",
        &[
            "2026-01-31",
            "'2026-01-31T08:00:00.250+01:00'",
            "2026-03-29T02:30:00",
        ],
    ),
    ("end", &["'2099-12-31'", "2098-01-01T00:00:00Z"]),
    ("max_fires", &["1", "4294967295"]),
    ("catch_up", &["'none'", "'all'"]),
    ("catch_up_window", &["'none'", "'1h1ms'", "'36h'"]),
    ("catch_up_max", &["0", "5"]),
    ("overlap", &["'allow'", "'replace'", "'queue'"]),
    ("max_parallel", &["1", "9"]),
    ("start_deadline", &["'90s'", "'none'"]),
    ("queue", &["'high'", "'low'"]),
    ("priority", &["0", "9", "0x5"]),
    ("queue_max", &["0", "1_000"]),
    ("timeout", &["'none'", "'90'", "'2d'", "'1w 2h'"]),
    ("silence", &["'none'", "'5m'"]),
    ("kill_grace", &["'0s'", "'1m'"]),
    (
        "retry",
        &[
            "0",
            "3",
            "{ max = 2 }",
            "{ max = 1, delay = '5s' }",
            "{ max = 4, backoff = 1.0 }",
            "{ max = 9, delay = '1m', max_delay = '10s' }",
        ],
    ),
    ("on_lost", &["'retry'", "'fail'"]),
    ("cwd", &["'/'", "'~/x y'"]),
    ("shell", &["'/bin/dash'"]),
    ("umask", &["'077'", "'7'", "'0'"]),
    (
        "env",
        &[
            "{}",
            "{ A = '' }",
            "{ 'x.y' = \"a\\tb\", Z = { b64 = '/w==' }, A = \"'\\\"\" }",
        ],
    ),
    (
        "stdin",
        &["''", "'''\nzwei\nZeilen\n'''", "{ b64 = '/wA=' }"],
    ),
    ("output_max", &["0", "'1K'", "12345"]),
    ("nice", &["-20", "19", "0"]),
    ("ionice", &["'idle'", "'best-effort:0'", "'realtime'"]),
    ("memory_max", &["'512M'", "1234567", "'3G'"]),
    ("cpu_max", &["'1ms'", "'2h'"]),
    ("processes_max", &["1", "99"]),
    ("verify", &["'true'", "\"a 'b' \\\"c\\\"\""]),
    ("on_success", &["'x'", "['x', 'y.z']", "[]"]),
    ("on_failure", &["'x'"]),
    ("keep_runs", &["1", "200"]),
    ("keep_for", &["'90d'", "'1h'"]),
    ("keep_output", &["0", "'10M'"]),
    ("tags", &["[]", "['a', 'b c', '']", "'one'"]),
    ("owner", &["'ana'", "''"]),
    ("runbook", &["'https://x/?a=b#c'"]),
    ("seed", &["0", "-9223372036854775808", "42"]),
];

const COMMANDS: &[&str] = &[
    "'true'",
    "['/bin/echo', '', ' ', \"a\\nb\", '--']",
    "\"\"\"\nfor x in 1 2; do\n\techo \\\"$x\\\"\ndone\"\"\"",
    "{ b64 = 'ZWNobyD/' }",
    "['/bin/echo', { b64 = '/w==' }]",
];

const SCHEDULES: &[&str] = &[
    "[]",
    "'@daily'",
    "['@daily', '@hourly', '30 2 * * *']",
    "'H H * * *'",
    "{ expr = 'every 15m', anchor = 1 }",
    "['@reboot', { expr = '0 0 12 ? * MON#2', timezone = 'Asia/Kolkata' }]",
    "[{ expr = '@weekly', jitter = '1h' }, { expr = '@monthly', max_fires = 3, end = 2097-01-01 }]",
    "'at 2090-01-31T08:00:00+01:00'",
];

/// A file of so many jobs, each with some of the keys.
fn drawn(draw: &mut Draw, jobs: usize) -> String {
    let mut text = String::new();
    for n in 0..jobs {
        text.push_str(&format!("[job.\"job.{n}\"]\n"));
        let command = COMMANDS[draw.next(COMMANDS.len())];
        text.push_str(&format!("command = {command}\n"));
        let schedule = SCHEDULES[draw.next(SCHEDULES.len())];
        text.push_str(&format!("schedule = {schedule}\n"));
        for (key, values) in VALUES {
            let term = ["jitter", "start", "end", "max_fires"].contains(key);
            if draw.next(3) == 0 && !(term && schedule == "[]") {
                text.push_str(&format!("{key} = {}\n", values[draw.next(values.len())]));
            }
        }
    }
    text
}

#[test]
fn cli_apply_drawn_files_come_back_from_export_as_the_same() {
    let (one, two) = (Sandbox::new(), Sandbox::new());
    let text = drawn(&mut Draw(1), 300);
    one.file("jobs.toml", text.as_bytes());
    let apply = ["apply", "-f", "jobs.toml", "--exit-code"];
    let first = one.run(&apply);
    assert_eq!(first.code, 8, "{}", first.stderr);
    let again = one.run(&apply);
    assert_eq!(again.stdout, "nothing to do; 300 the same\n");
    let exported = one.ok(&["export"]).stdout;
    one.file("exported.toml", exported.as_bytes());
    let same = one.ok(&["apply", "-f", "exported.toml", "--exit-code"]);
    assert!(
        same.stdout.starts_with("nothing to do; 300 the same\n"),
        "{}",
        same.stdout
    );
    two.file("jobs.toml", exported.as_bytes());
    assert_eq!(two.run(&apply).code, 8);
    assert_eq!(two.ok(&["export"]).stdout, exported);
    // Each job alone, changed into another: what is shown is what is there afterwards.
    one.file("jobs.toml", drawn(&mut Draw(2), 300).as_bytes());
    assert_eq!(one.run(&apply).code, 8);
    let again = one.run(&apply);
    assert_eq!(again.stdout, "nothing to do; 300 the same\n");
}

#[test]
fn cli_apply_of_a_broken_file_says_where_and_never_fails_itself() {
    let sandbox = Sandbox::new();
    let mut draw = Draw(3);
    let good = drawn(&mut draw, 3).into_bytes();
    let pieces: [&[u8]; 12] = [
        b"\"",
        b"'''",
        b"[",
        b"]]",
        b"{",
        b"=",
        b"\n",
        b"\xff",
        b"\0",
        b"[job.x.y]\n",
        b"# ",
        b"\xe2\x82",
    ];
    for _ in 0..150 {
        let mut bytes = good.clone();
        for _ in 0..=draw.next(3) {
            let at = draw.next(bytes.len());
            match draw.next(3) {
                0 => drop(bytes.remove(at)),
                1 => bytes.truncate(at.max(1)),
                _ => {
                    let piece = pieces[draw.next(pieces.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        sandbox.file("jobs.toml", &bytes);
        let answer = sandbox.run(&["apply", "-f", "jobs.toml", "-n"]);
        let text = String::from_utf8_lossy(&bytes);
        assert!([0, 6].contains(&answer.code), "{text}\n{answer:?}");
        let placed = answer.stderr.contains("jobs.toml:");
        assert!(answer.code == 0 || placed, "{text}\n{answer:?}");
    }
}

#[test]
fn cli_apply_with_a_daemon_leaves_no_seam_in_the_ledger() {
    let mut instance = Instance::running();
    let sandbox = &instance.sandbox;
    let text = |schedule: &str, line: &str| {
        format!(
            "[job.tick]\nschedule = \"{schedule}\"\ncommand = \"{line}\"\n[job.same]\nschedule = \"every 1s\"\ncommand = \"true\"\n"
        )
    };
    sandbox.file("jobs.toml", text("every 1s", "true").as_bytes());
    sandbox.ok(&["apply", "-f", "jobs.toml"]);
    let number = |job: &str| sandbox.item(&["show", job])["plans"][0]["id"].clone();
    let (tick, same) = (number("tick"), number("same"));
    instance.succeeded("tick", 1);
    // Another command: the schedule and its ledger go on. Another schedule: only that job's.
    sandbox.file("jobs.toml", text("every 1s", "exit 0").as_bytes());
    sandbox.ok(&["apply", "-f", "jobs.toml"]);
    assert_eq!(number("tick"), tick);
    sandbox.file("jobs.toml", text("every 2s", "exit 0").as_bytes());
    sandbox.ok(&["apply", "-f", "jobs.toml"]);
    assert_ne!(number("tick"), tick);
    assert_eq!(number("same"), same);
    instance.succeeded("tick", 2);
    let sandbox = &instance.sandbox;
    sandbox.file(
        "jobs.toml",
        b"[job.same]\nschedule = \"every 1s\"\ncommand = \"true\"\n",
    );
    sandbox.ok(&["apply", "-f", "jobs.toml", "--prune"]);
    instance.stop_and_audit();
}

#[test]
fn cli_apply_of_exported_crontab_entries_has_nothing_to_do() {
    let sandbox = Sandbox::new();
    let table =
        b"SHELL=/bin/bash\nMAILTO=ana\nB=2\nA=1\n0 1 * * 1 echo hello%in%put\n@reboot /opt/boot\n\
        */5 2-4 1,15 * fri /opt/x \\% y\nA=3\n@daily /opt/c\n";
    sandbox.file("table", table);
    sandbox.ok(&["import", "table"]);
    let out = sandbox.ok(&["export"]);
    assert!(
        out.stderr
            .contains("lost: in another store it keeps to our rules"),
        "{out:?}"
    );
    sandbox.file("jobs.toml", out.stdout.as_bytes());
    let same = sandbox.ok(&["apply", "-f", "jobs.toml", "--exit-code"]);
    assert!(
        same.stdout.starts_with("nothing to do; 4 the same\n"),
        "{same:?}"
    );
}
