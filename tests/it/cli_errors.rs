//! What the program says when it cannot do what it was asked, whichever verb it was.

use std::process::Stdio;

use crate::support::sandbox::Sandbox;

#[test]
fn cli_errors_of_a_schedule_name_field_and_column() {
    let sandbox = Sandbox::new();
    for verb in [&["add", "a", "-c", "x", "-s"][..], &["next"][..]] {
        let mut args = verb.to_vec();
        args.push("*/5 25 * * *");
        let wrong = sandbox.run(&args);
        assert_eq!(wrong.code, 6, "{wrong:?}");
        assert!(
            wrong.stderr.contains(
                "hour field, column 5: expected 0-23, found \"25\"\n  */5 25 * * *\n      ^^\n"
            ),
            "{}",
            wrong.stderr
        );
        assert_eq!(wrong.stdout, "");
        args.push("--json");
        let wrong = sandbox.run(&args);
        let message = wrong.error()["message"].to_string();
        assert!(message.contains("hour field, column 5"), "{message}");
    }
    let hinted = sandbox.run(&["next", "0 0 * * fri#2"]);
    assert!(hinted.stderr.contains("  tip: "), "{hinted:?}");
    assert!(!sandbox.store().exists());
}

#[test]
fn cli_errors_name_the_nearest_zone_and_job() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "backup-db", "-c", "x"]);
    let zone = sandbox.run(&[
        "add",
        "b",
        "-s",
        "@daily",
        "--tz",
        "Europe/Berln",
        "-c",
        "x",
        "--json",
    ]);
    assert_eq!(zone.code, 6, "{zone:?}");
    assert_eq!(zone.error()["hint"], "did you mean Europe/Berlin?");
    for verb in ["show", "edit", "rm", "pause", "resume", "next"] {
        let wrong = sandbox.run(&[verb, "bakcup-db"]);
        assert_eq!(wrong.code, 3, "{verb}: {wrong:?}");
        assert_eq!(
            wrong.stderr,
            "error: no job named \"bakcup-db\"\n  tip: did you mean \"backup-db\"?\n"
        );
    }
}

#[test]
fn cli_errors_of_names_commands_and_queues() {
    let sandbox = Sandbox::new();
    for (args, code, says) in [
        (
            &["add", "1842", "-c", "x"][..],
            2,
            "a number alone names a run",
        ),
        (&["add", "a b", "-c", "x"], 2, "no blanks"),
        (&["add", "a"], 2, "no command to run"),
        (&["add", "a", "-c", " "], 2, "no command to run"),
        (
            &["add", "a", "-c", "x", "--", "y"],
            2,
            "cannot be used with",
        ),
        (&["add", "a", "-c", "x", "--env", "K"], 2, "is no variable"),
        (
            &["add", "a", "-c", "x", "--timeout", "5 parsecs"],
            2,
            "no length of time",
        ),
        (&["add", "a", "-c", "x", "--umask", "8"], 2, "octal"),
        (&["add", "a", "-c", "x", "--priority", "10"], 2, "10"),
        (
            &["add", "a", "-c", "x", "--queue", "none"],
            3,
            "no queue named",
        ),
        (
            &["next", "@daily", "--from", "yesterday-ish"],
            2,
            "no instant",
        ),
        (&["frobnicate"], 2, "unrecognized subcommand"),
    ] {
        let wrong = sandbox.run(args);
        assert_eq!(wrong.code, code, "{args:?}: {wrong:?}");
        assert!(wrong.stderr.contains(says), "{args:?}: {wrong:?}");
    }
    let wrong = sandbox.run(&["--json", "lst"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.error()["hint"].to_string().contains("list"),
        "{wrong:?}"
    );
}

#[test]
fn cli_errors_of_the_store() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "a", "-c", "x"]);
    let newer = rusqlite::Connection::open(sandbox.store()).expect("the store");
    newer
        .pragma_update(None, "user_version", 9999)
        .expect("a version");
    drop(newer);
    let refused = sandbox.run(&["list"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.stderr.contains("newer"), "{refused:?}");

    let sandbox = Sandbox::new();
    sandbox.file(
        "home/crake.db",
        b"this is no database at all, whatever its name is\n",
    );
    for args in [&["list"][..], &["add", "a", "-c", "x"]] {
        let refused = sandbox.run(args);
        assert_eq!(refused.code, 6, "{refused:?}");
        assert!(refused.stderr.contains("is not a database"), "{refused:?}");
    }

    let sandbox = Sandbox::new();
    sandbox.file("home", b"a file where the directory should be");
    let refused = sandbox.run(&["add", "a", "-c", "x"]);
    assert!(matches!(refused.code, 1 | 7), "{refused:?}");
    assert!(refused.stderr.contains("  tip: "), "{refused:?}");
}

#[test]
fn cli_errors_of_the_variable_tz() {
    let sandbox = Sandbox::new();
    let wrong = sandbox.run_with("TZ", "Europe/Berln", &["list"]);
    assert_eq!(wrong.code, 6, "{wrong:?}");
    assert!(wrong.stderr.contains("the variable TZ"), "{wrong:?}");
}

#[test]
fn cli_survives_a_reader_that_goes_away() {
    let sandbox = Sandbox::new();
    for args in [
        &["next", "* * * * *", "-n", "50000"][..],
        &["--help"],
        &["man"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = sandbox.command();
        let child = command
            .args(args)
            .stdout(Stdio::from(writer))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        drop(command);
        let output = child.wait_with_output().expect("its end");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn cli_completes_the_names_of_jobs() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "backup-db", "-c", "x"]);
    let complete = |words: &[&str]| {
        let index = (words.len() - 1).to_string();
        let output = sandbox
            .command()
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", index)
            .env("_CLAP_IFS", "\n")
            .arg("--")
            .args(words)
            .output()
            .expect("the program");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(complete(&["crake", "show", "ba"]).trim(), "backup-db");
    assert_eq!(complete(&["crake", "pau"]).trim(), "pause");
    sandbox.file("home/crake.db", b"no database any more");
    assert_eq!(complete(&["crake", "show", "ba"]).trim(), "");
}

#[test]
fn cli_help_of_every_verb_has_an_example() {
    let command = crake::cli::root_command();
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let after = verb
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(after.starts_with("Example"), "{}", verb.get_name());
    }
}
