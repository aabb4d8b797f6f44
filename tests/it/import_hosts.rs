//! Hazards that the host decides: programs, systemd, packages, mail, the clock; and run-parts.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::sandbox::Sandbox;

/// A root with a few programs in it.
fn root() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["usr/bin/tool", "bin/run-parts", "opt/x", "home/ana/bin/own"] {
        executable(&sandbox, name);
    }
    sandbox.file("root/opt/plain", b"no program");
    sandbox.file(
        "root/etc/passwd",
        b"root:x:0:0::/root:/bin/sh\nana:x:7:7::/home/ana:/bin/sh\n",
    );
    sandbox
}

fn executable(sandbox: &Sandbox, name: &str) {
    let path = sandbox.file(&format!("root/{name}"), b"#!/bin/sh\n");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a program");
}

/// What an import says of a table: id and line of each hazard, and its words.
fn hazards(
    sandbox: &Sandbox,
    name: &str,
    table: &str,
    flags: &[&str],
) -> Vec<(String, i64, String)> {
    let path = sandbox.file(&format!("root/{name}"), table.as_bytes());
    let (path, root) = (
        path.display().to_string(),
        sandbox.path("root").display().to_string(),
    );
    let mut args = vec!["import", &path, "-n", "--root", &root, "--days", "0"];
    args.extend(flags);
    let item: Value = sandbox.item(&args);
    let all = item["warnings"].as_array().expect("warnings");
    all.iter()
        .map(|w| {
            let text = w["text"].as_str().expect("a text").to_owned();
            (
                w["id"].as_str().expect("an id").to_owned(),
                w["line"].as_i64().expect("a line"),
                text,
            )
        })
        .collect()
}

fn lines(found: &[(String, i64, String)], id: &str) -> Vec<i64> {
    found.iter().filter(|w| w.0 == id).map(|w| w.1).collect()
}

#[test]
fn w13_names_the_program_that_is_not_where_the_job_looks() {
    let table = "\
1 1 * * * tool --x | lacking
1 1 * * * A=1 tool && /opt/x > /dev/null 2>&1
1 1 * * * /opt/plain
1 1 * * * cd /srv; ./script
1 1 * * * [ -x /opt/none ] && /opt/none
1 1 * * * command -v none && none
1 1 * * * $HOME/none; `none`; ~/none
1 1 * * * bin/own; echo $(tool | wc -l)
1 1 * * * bin/none
1 1 * * * if true; then none; fi
PATH=/opt:$HOME/bin
1 1 * * * x; tool
HOME=/
1 1 * * * opt/x
";
    let found = hazards(
        &root(),
        "t",
        table,
        &["--user", "root", "--dialect", "debian"],
    );
    // The home of root has none of these; the eighth names `wc` as well, behind a `$(`.
    assert_eq!(lines(&found, "W13"), [1, 3, 8, 9, 12], "{found:?}");
    let told = |line: i64| {
        let of_line = found.iter().find(|w| w.0 == "W13" && w.1 == line);
        of_line.expect("a warning").2.clone()
    };
    assert!(
        told(1).contains("lacking") && told(1).contains("/usr/bin:/bin"),
        "{}",
        told(1)
    );
    assert!(
        told(12).contains("tool") && told(12).contains("/opt:$HOME/bin"),
        "{}",
        told(12)
    );
    // The home is that of whoever the line names, and a PATH of cronie's is longer.
    let sandbox = root();
    executable(&sandbox, "usr/sbin/admin");
    let table = "1 1 * * * ana bin/own\n1 1 * * * root bin/own\n1 1 * * * root admin\n";
    for (dialect, expected) in [("debian", vec![2, 3]), ("cronie", vec![2])] {
        let found = hazards(&sandbox, "etc/cron.d/t", table, &["--dialect", dialect]);
        assert_eq!(lines(&found, "W13"), expected, "{dialect}: {found:?}");
    }
}

#[test]
fn w14_is_said_where_systemd_runs_the_host_and_only_there() {
    let table = "\
1 1 * * * root test -d /run/systemd/system || /opt/x
1 1 * * * root [ ! -d /run/systemd/system ] && /opt/x
1 1 * * * root test -e /run/systemd/system || A=1 /opt/x
1 1 * * * root [ -d /run/systemd/system ] && /opt/x
1 1 * * * root if [ -x /opt/x ] && [ ! -d /run/systemd/system ]; then /opt/x; fi
";
    let sandbox = root();
    let without = hazards(&sandbox, "etc/cron.d/t", table, &[]);
    assert_eq!(lines(&without, "W14"), Vec::<i64>::new(), "{without:?}");
    std::fs::create_dir_all(sandbox.path("root/run/systemd/system")).expect("systemd");
    let found = hazards(&sandbox, "etc/cron.d/t", table, &[]);
    assert_eq!(lines(&found, "W14"), [1, 2, 3, 5], "{found:?}");
}

#[test]
fn w16_names_the_package_and_w17_that_nobody_sends_the_mail() {
    let sandbox = root();
    let table = "MAILTO=ana\n1 1 * * * root tool\nMAILTO=\"\"\n2 2 * * * root tool\n";
    let found = hazards(&sandbox, "etc/cron.d/t", table, &[]);
    assert_eq!(lines(&found, "W17"), [1], "{found:?}");
    assert_eq!(lines(&found, "W16"), Vec::<i64>::new(), "{found:?}");
    sandbox.file(
        "root/var/lib/dpkg/info/tools.list",
        b"/.\n/etc\n/etc/cron.d/t\n",
    );
    executable(&sandbox, "usr/sbin/sendmail");
    let found = hazards(&sandbox, "etc/cron.d/t", table, &[]);
    assert_eq!(lines(&found, "W17"), Vec::<i64>::new(), "{found:?}");
    let package = found.iter().find(|w| w.0 == "W16").expect("a package");
    assert!(package.2.contains("package tools"), "{package:?}");
}

#[test]
fn w18_names_the_day_on_which_a_fixed_time_is_skipped_or_repeated() {
    let table = "\
30 2 * * * tool
0 2 * * * tool
59 1 * * * tool
0 3 * * * tool
*/10 2 * * * tool
30 * * * * tool
30 2 1 * * tool
30 2 * * 0 tool
@daily tool
";
    let flags = ["--tz", "Europe/Berlin", "--from", "2027-01-01T00:00:00Z"];
    let found = hazards(&root(), "t", table, &flags);
    assert_eq!(lines(&found, "W18"), [1, 2, 8], "{found:?}");
    let first = &found.iter().find(|w| w.0 == "W18").expect("a warning").2;
    assert!(
        first.contains("02:30 on 2027-03-28 does not come"),
        "{first}"
    );
    assert!(first.contains("02:30 on 2027-10-31 comes twice"), "{first}");
    let zoned = "CRON_TZ=America/New_York\n30 2 * * * tool\nCRON_TZ=Asia/Tokyo\n30 2 * * * tool\n";
    let cronie = [&flags[..], &["--dialect", "cronie"]].concat();
    let found = hazards(&root(), "z", zoned, &cronie);
    assert_eq!(lines(&found, "W18"), [2], "{found:?}");
}

#[test]
fn run_parts_of_a_directory_stays_one_job_with_its_order() {
    let sandbox = root();
    for name in ["zeta", "0first", "UPPER", "_under"] {
        executable(&sandbox, &format!("etc/cron.daily/{name}"));
    }
    executable(&sandbox, "etc/cron.daily/not.run");
    sandbox.file("root/etc/cron.daily/plain", b"not executable");
    let table = "\
17 * * * * root cd / && run-parts --report /etc/cron.hourly
25 6 * * * root test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )
";
    let found = hazards(&sandbox, "etc/crontab", table, &[]);
    let parts: Vec<&String> = found
        .iter()
        .filter(|w| w.0 == "parts")
        .map(|w| &w.2)
        .collect();
    assert_eq!(parts.len(), 2, "{found:?}");
    assert!(
        parts[0].contains("no script of /etc/cron.hourly"),
        "{parts:?}"
    );
    assert!(
        parts[1].ends_with(": 0first, UPPER, _under, zeta"),
        "{parts:?}"
    );
    let root = sandbox.path("root").display().to_string();
    let table = sandbox.path("root/etc/crontab").display().to_string();
    if !crate::support::facility::root() {
        return;
    }
    sandbox.ok(&["import", &table, "--root", &root, "--days", "0"]);
    let jobs = sandbox.items(&["list"]);
    assert_eq!(jobs.len(), 2);
    let commands: Vec<&str> = jobs
        .iter()
        .filter_map(|job| job["command"].as_str())
        .collect();
    assert!(
        commands
            .iter()
            .any(|c| c.contains("( cd / && run-parts --report /etc/cron.daily )")),
        "{commands:?}"
    );
}
