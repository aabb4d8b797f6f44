//! Jobs of other users: who may have them, and what is said where they cannot be.

use crate::support::facility;
use crate::support::instance::Instance;

#[test]
fn a_user_that_is_none_is_refused_and_never_root() {
    if !facility::root() {
        return;
    }
    let instance = Instance::running();
    let refused = |user: &str| {
        let args = ["add", "of", "--user", user, "-c", "id >&2"];
        let answer = instance.sandbox.run(&args);
        (answer.code, answer.stderr)
    };
    for (user, code, words) in [
        ("nosuchuser", 6, "there is no user nosuchuser"),
        ("0", 2, "\"0\" is a number"),
        ("65534", 2, "is a number"),
        ("no body", 2, "cannot be the name"),
        ("-nobody", 2, ""),
    ] {
        let (exit, said) = refused(user);
        assert!(
            exit == code && said.contains(words),
            "{user}: {exit} {said}"
        );
    }
    // What nobody checked beforehand, as after a change of the list of users.
    instance.add("root", "id", &["--user", "nobody"]);
    for (set, words) in [
        (
            "'$.user', 'nosuchuser'",
            "there is no user nosuchuser on this host",
        ),
        ("'$.user', '0'", "\"0\" is a number"),
        ("'$.user', ''", "a user needs a name"),
        (
            "'$.user', 'nobody', '$.uid', 4711",
            "the user nobody has the number 65534, and had 4711",
        ),
    ] {
        let sql = format!("UPDATE job SET spec = json_set(spec, {set}) WHERE name = 'root'");
        instance.sql().execute(&sql, []).unwrap();
        instance.add("look-again", "true", &["--replace"]);
        let row = instance.outcome("root");
        assert_eq!(row["outcome"], "unspawnable", "{set}: {row}");
        let reason = row["reason"].as_str().unwrap();
        assert!(reason.contains(words), "{set}: {reason}");
        assert_eq!(instance.output("root"), "", "{set}");
    }
}

#[test]
fn an_ordinary_user_runs_jobs_as_nobody_else() {
    let instance = Instance::of_nobody();
    let answer = instance
        .sandbox
        .run(&["add", "of", "--user", "root", "-c", "id"]);
    assert_eq!(answer.code, 7, "{answer:?}");
    assert!(
        answer
            .stderr
            .contains("only root can have a job run as root"),
        "{answer:?}"
    );
    if facility::root() {
        instance.add("of", "id -un", &["--user", "nobody"]);
        assert_eq!(instance.outcome("of")["outcome"], "succeeded");
        assert_eq!(instance.output("of"), "nobody\n");
    }
}

#[test]
fn what_cannot_be_executed_after_the_stage_says_why() {
    if !facility::root() {
        return;
    }
    let instance = Instance::running();
    let secret = instance.sandbox.file("secret", b"#!/bin/sh\n");
    for (name, flags, code, words) in [
        (
            "none",
            &["--", "/no/such/file"][..],
            127,
            "/no/such/file: No such file",
        ),
        (
            "path",
            &["--", "no-such-program"],
            127,
            "no-such-program: not found on PATH",
        ),
        (
            "right",
            &["--", secret.to_str().unwrap()],
            126,
            "Permission denied",
        ),
        (
            "home",
            &["-c", "true"],
            126,
            "working directory /nonexistent",
        ),
        (
            "dir",
            &["--cwd", "/root", "-c", "true"],
            126,
            "working directory /root: Permission denied",
        ),
    ] {
        let cwd: &[&str] = match name {
            "home" | "dir" => &[],
            _ => &["--cwd", "/"],
        };
        let head = ["add", name, "--user", "nobody"];
        instance.sandbox.ok(&[&head[..], cwd, flags].concat());
        let row = instance.outcome(name);
        assert_eq!(row["outcome"], "unspawnable", "{name}: {row}");
        let reason = row["reason"].as_str().unwrap();
        assert!(reason.contains(words), "{name}: {reason}");
        let wanted = if name == "home" { 127 } else { code };
        assert_eq!(row["exit_code"], wanted, "{name}: {row}");
    }
}
