//! `crake alerts`: making receivers, trying them out, and what is refused.

use crate::support::sandbox::Sandbox;
use crate::support::sinks::{Mail, Web};

#[test]
fn alert_cli_a_receiver_is_made_shown_listed_replaced_and_removed() {
    let sandbox = Sandbox::new();
    let url = "https://hooks.example.org/T0/very-secret";
    let key = sandbox.file("key", b"k\n");
    let key = key.to_str().unwrap();
    let add = [
        "alerts",
        "add",
        "chat",
        "--webhook",
        url,
        "--secret-file",
        key,
    ];
    let more = ["--on", "failed,recovered", "--job", "a,b-*", "--after", "3"];
    let held = [
        "--quiet",
        "22:00-07:00",
        "--tz",
        "Europe/Zurich",
        "--rate",
        "5/h",
    ];
    let args = [&add[..], &more, &held, &["--group", "30s"]].concat();
    let made = sandbox.item(&args);
    assert_eq!(made["target"], "https://hooks.example.org/***");
    assert_eq!(made["on"], serde_json::json!(["failed", "recovered"]));
    assert_eq!(made["jobs"], serde_json::json!(["a", "b-*"]));
    assert_eq!(made["quiet"], "22:00-07:00 Europe/Zurich");
    assert_eq!(
        (&made["rate"], &made["group_ms"]),
        (&"5/h".into(), &30_000.into())
    );
    let answer = sandbox.run(&[&["--json"], &add[..]].concat());
    assert_eq!(
        (answer.code, &answer.error()["code"]),
        (5, &5.into()),
        "{answer:?}"
    );
    sandbox.ok(&[&add[..], &["--replace"]].concat());
    let listed = sandbox.items(&["alerts", "ls"]);
    assert_eq!((listed.len(), &listed[0]["after"]), (1, &1.into()));
    for args in [
        &["alerts", "ls"][..],
        &["alerts", "show", "chat"],
        &["--json", "alerts", "ls"],
    ] {
        let answer = sandbox.ok(args);
        assert!(
            answer.stdout.contains("hooks.example.org/***"),
            "{answer:?}"
        );
        assert!(!answer.stdout.contains("very-secret"), "{answer:?}");
    }
    sandbox.ok(&["alerts", "rm", "chat"]);
    for args in [
        ["alerts", "show", "chat"],
        ["alerts", "rm", "chat"],
        ["alerts", "test", "chat"],
    ] {
        assert_eq!(sandbox.run(&args).code, 3);
    }
}

#[test]
fn alert_cli_what_cannot_hold_is_refused_with_a_hint() {
    let sandbox = Sandbox::new();
    for args in [
        &["a"][..],
        &["a", "--command", "true", "--mail", "a@example.org"],
        &["a", "--command", "true", "--secret-env", "X"],
        &["a", "--webhook", "ftp://example.org"],
        &[
            "a",
            "--webhook",
            "https://example.org",
            "--secret-file",
            "/not/there",
        ],
        &["a", "--mail", "a@example.org", "--secret-env", "X"],
        &["a", "--command", "true", "--on", "silent"],
        &["a", "--command", "true", "--on", "nonsense"],
        &["a", "--command", "true", "--quiet", "25:00-07:00"],
        &["a", "--command", "true", "--rate", "many"],
        &["a", "--ping", "https://example.org/x"],
        &["a", "--ping", "https://example.org/{job}", "--rate", "1/h"],
    ] {
        let answer = sandbox.run(&[&["alerts", "add"], args].concat());
        assert_eq!(answer.code, 2, "{args:?}: {answer:?}");
    }
    let zone = [
        "alerts",
        "add",
        "a",
        "--command",
        "true",
        "--quiet",
        "1:00-2:00",
        "--tz",
        "No/Where",
    ];
    assert_eq!(sandbox.run(&zone).code, 6);
}

#[test]
fn alert_cli_a_test_is_sent_at_once_and_says_what_happened() {
    let sandbox = Sandbox::new();
    let (web, mail) = (Web::answering(&[200, 410]), Mail::listening());
    let key = sandbox.file("url", format!("{}\n", web.url).as_bytes());
    let url = format!("@{}", key.display());
    sandbox.ok(&["alerts", "add", "web", "--webhook", &url]);
    sandbox.ok(&[
        "alerts",
        "add",
        "mail",
        "--mail",
        "a@example.org",
        "--smtp",
        &mail.url,
    ]);
    sandbox.ok(&[
        "alerts",
        "add",
        "bad",
        "--command",
        "echo it is broken >&2; exit 3",
    ]);
    assert!(
        sandbox
            .ok(&["alerts", "test", "web"])
            .stdout
            .starts_with("sent to web")
    );
    assert!(web.asked()[0].body.contains("a test of this receiver"));
    sandbox.ok(&["alerts", "test", "mail"]);
    assert!(mail.letters()[0].contains("alerts reach you"));
    let answer = sandbox.run(&["alerts", "test", "web"]);
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("answers 410"), "{answer:?}");
    assert!(!answer.stderr.contains("secret-path"), "{answer:?}");
    let answer = sandbox.run(&["alerts", "test", "bad"]);
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("it is broken"), "{answer:?}");
    let log = sandbox.items(&["alerts", "log"]);
    let states: Vec<&str> = log.iter().map(|a| a["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["sent", "sent", "failed", "failed"]);
    assert_eq!(
        sandbox
            .items(&["alerts", "log", "web", "--state", "failed"])
            .len(),
        1
    );
}

/// Found in the words that a request gives its error in.
#[test]
fn alert_cli_nothing_of_an_address_is_told_where_nobody_listens() {
    let sandbox = Sandbox::new();
    let url = "http://127.0.0.1:9/hook/secret-path";
    sandbox.ok(&["alerts", "add", "web", "--webhook", url]);
    let answer = sandbox.run(&["alerts", "test", "web"]);
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("127.0.0.1:9"), "{answer:?}");
    assert!(!answer.stderr.contains("secret-path"), "{answer:?}");
}
