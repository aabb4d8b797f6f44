//! `source`, through the program.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::sandbox::{Answer, Sandbox};
use crate::support::servers::{Kind, PASSWORD, shared};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let conn = rusqlite::Connection::open(sandbox.path("stock.db")).expect("a database");
    conn.execute_batch("CREATE TABLE t(v)").expect("a table");
    sandbox
}

#[test]
fn source_cli_keeps_shows_tests_and_removes() {
    let sandbox = sandbox();
    let path = sandbox.path("stock.db").display().to_string();
    let added = sandbox.item(&[
        "source",
        "add",
        "stock",
        "stock.db",
        "--pool-max",
        "2",
        "--idle",
        "5m",
    ]);
    let mut keys: Vec<&String> = added.as_object().expect("an item").keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "changed_at",
            "created_at",
            "dsn",
            "engine",
            "name",
            "password",
            "password_place",
            "pool",
            "version",
            "writable"
        ]
    );
    assert_eq!(
        added["dsn"],
        json!(format!("sqlite:{path}")),
        "paths are kept whole"
    );
    assert_eq!(
        (&added["pool"]["max"], &added["pool"]["idle_ms"]),
        (&json!(2), &json!(300_000))
    );
    let mut listed = sandbox.items(&["source", "ls"]);
    let gauges = listed[0].as_object_mut().expect("an item").remove("gauges");
    assert_eq!(
        gauges.expect("what is known of its pool")["in_use"],
        Value::Null
    );
    assert_eq!(listed, std::slice::from_ref(&added));
    assert_eq!(sandbox.item(&["source", "show", "stock"]), added);
    let tested = sandbox.item(&["source", "test", "stock"]);
    assert_eq!(
        (&tested["ok"], &tested["tip"]),
        (&json!(true), &Value::Null)
    );
}

#[test]
fn source_cli_replaces_what_is_there_only_when_told_to() {
    let sandbox = sandbox();
    sandbox.ok(&["source", "add", "stock", "stock.db"]);
    let again = sandbox.run(&["source", "add", "stock", "other.db"]);
    assert_eq!(again.code, 5, "{again:?}");
    let replaced = sandbox.item(&[
        "source",
        "add",
        "stock",
        "other.db",
        "--replace",
        "--writable",
    ]);
    assert_eq!(
        (&replaced["version"], &replaced["writable"]),
        (&json!(2), &json!(true))
    );
    let failed = sandbox.run(&["--json", "source", "test", "stock"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    let item = &failed.json()["item"];
    assert_eq!(item["error"]["kind"], "resolve", "{item}");
    assert_eq!(item["phases"][0]["outcome"], "failed");
    let words = sandbox.run(&["source", "test", "stock"]);
    assert!(
        words.stdout.contains("tip: ") && words.stdout.contains("resolve"),
        "{words:?}"
    );
    sandbox.ok(&["source", "rm", "stock"]);
    assert_eq!(sandbox.items(&["source", "ls"]), Vec::<Value>::new());
}

#[test]
fn source_cli_unknown_name_brings_the_nearest() {
    let sandbox = sandbox();
    sandbox.ok(&["source", "add", "stock", "stock.db"]);
    for verb in ["test", "show", "rm"] {
        let error = sandbox.run(&["--json", "source", verb, "stokc"]).error();
        assert_eq!(error["code"], 3);
        assert_eq!(error["hint"], "did you mean \"stock\"?");
    }
}

/// Gives the password in every way there is.
fn add_each_way(sandbox: &Sandbox, dsn: &str) -> Vec<Answer> {
    let mut said = Vec::new();
    let added = sandbox.run(&["source", "add", "shop", dsn]);
    assert!(added.stderr.contains("warning: `ps`"), "{added:?}");
    said.push(added);
    sandbox.file("dsn", format!("{dsn}2\n").as_bytes());
    said.push(sandbox.run(&["source", "add", "shop2", "--dsn-file", "dsn"]));
    said.push(sandbox.run_with("DSN", dsn, &["source", "add", "shop3", "--dsn-env", "DSN"]));
    said.push(sandbox.feed(
        b"geheim\n",
        &[
            "source",
            "add",
            "shop4",
            "mysql://u@db.invalid/d",
            "--password-stdin",
        ],
    ));
    let pw = sandbox.file("pw", b"geheim\n");
    std::fs::set_permissions(&pw, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    said.push(sandbox.run(&[
        "source",
        "add",
        "shop5",
        "mysql://u@db.invalid/d",
        "--password-file",
        "pw",
    ]));
    for answer in &said {
        assert_eq!(answer.code, 0, "{answer:?}");
    }
    said
}

#[test]
fn source_cli_no_answer_holds_a_password() {
    let sandbox = sandbox();
    let dsn = "postgres://u:geheim@db.invalid/d";
    let mut said = add_each_way(&sandbox, dsn);
    for args in [
        &["source", "ls"][..],
        &["--json", "source", "ls"],
        &["source", "show", "shop"],
        &["--json", "source", "show", "shop5"],
        &["source", "test", "shop"],
        &["--json", "source", "test", "shop4"],
        &["source", "add", "shop", dsn],
        &["source", "add", "bad", "postgres://u:geheim@h:x/d"],
        &["source", "add", "bad", "exec:psql postgres://u:geheim@h/d"],
        &["source", "add", "bad", dsn, "--password-env", "X"],
        &["events"],
        &["source", "rm", "shop"],
    ] {
        said.push(sandbox.run(args));
    }
    for answer in said {
        assert!(
            !answer.stdout.contains("geheim") && !answer.stderr.contains("geheim"),
            "{answer:?}"
        );
    }
    let store = rusqlite::Connection::open(sandbox.store()).expect("the store");
    let kept: Vec<(String, Option<String>)> = store
        .prepare("SELECT name, password FROM source ORDER BY name")
        .expect("sources")
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("rows")
        .map(|row| row.expect("a row"))
        .collect();
    let stored = |name: &str| (name.to_owned(), Some("geheim".to_owned()));
    let wanted = [
        stored("shop2"),
        stored("shop3"),
        stored("shop4"),
        ("shop5".to_owned(), None),
    ];
    assert_eq!(kept, wanted);
    let columns = "SELECT count(*) FROM source WHERE dsn LIKE '%geheim%'";
    let inside: i64 = store
        .query_row(columns, [], |row| row.get(0))
        .expect("a count");
    assert_eq!(inside, 0);
}

#[test]
fn source_cli_logs_in_with_every_kind_of_password_and_shows_none_to_ps() {
    for kind in [Kind::Postgres, Kind::Maria] {
        let Some(server) = shared(kind) else { return };
        let sandbox = sandbox();
        let dsn = server.dsn("");
        sandbox.file("pw", format!("{PASSWORD}\n").as_bytes());
        let input = format!("{PASSWORD}\n");
        let stored = sandbox.feed(
            input.as_bytes(),
            &["source", "add", "stored", &dsn, "--password-stdin"],
        );
        assert_eq!(stored.code, 0, "{stored:?}");
        sandbox.ok(&["source", "add", "file", &dsn, "--password-file", "pw"]);
        sandbox.ok(&["source", "add", "env", &dsn, "--password-env", "PW"]);
        sandbox.ok(&["source", "test", "stored"]);
        sandbox.ok(&["source", "test", "file"]);
        let tested = sandbox.run_with("PW", PASSWORD, &["source", "test", "env"]);
        assert_eq!(tested.code, 0, "{tested:?}");
        let error = sandbox.run(&["--json", "source", "test", "env"]);
        assert_eq!(error.json()["item"]["error"]["kind"], "config", "{error:?}");
    }
    let sandbox = sandbox();
    let line = "exec:tr '\\0' ' ' < /proc/$$/cmdline > $HOME/seen; tr '\\0' ' ' < /proc/$PPID/cmdline >> $HOME/seen";
    let input = "geheim\n".as_bytes();
    sandbox.feed(input, &["source", "add", "feed", line, "--password-stdin"]);
    sandbox.ok(&["source", "test", "feed"]);
    let seen = std::fs::read_to_string(sandbox.path("seen")).expect("what ps shows");
    assert!(
        seen.contains("source test feed") && !seen.contains("geheim"),
        "{seen}"
    );
}
