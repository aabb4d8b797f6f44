//! Commands as sources.

use crake::model::{Cell, Secret};
use crake::source::{Answer, ErrorKind, Query, Result, diagnose, open, run_bounded};

use crate::support::sandbox::Sandbox;
use crate::support::servers::source;
use crate::support::wait::{mono, until};

fn run(line: &str, query: &Query) -> Result<Answer> {
    let source = source(&format!("exec:{line}"), false);
    let conn = open(&source, Some(&Secret::new("geheim")), "test").expect("nothing starts yet");
    run_bounded(conn, query).1
}

fn ask(line: &str) -> Result<Answer> {
    run(line, &Query::new("SELECT 1", "test"))
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

#[test]
fn source_exec_reads_objects_and_arrays() {
    let objects = r#"printf '%s\n' '{"id":1,"v":"ä"}' '' '{"v":null,"id":2,"new":[1]}'"#;
    let rows = ask(objects).expect("rows").rows;
    assert_eq!(rows.columns, ["id", "v", "new"]);
    assert_eq!(rows.rows[0], [Cell::Int(1), text("ä"), Cell::Null]);
    assert_eq!(rows.rows[1], [Cell::Int(2), Cell::Null, text("[1]")]);
    let arrays = r#"printf '%s\n' '["a","b"]' '[1.5,true]' '[18446744073709551615,{"x":1}]'"#;
    let rows = ask(arrays).expect("rows").rows;
    assert_eq!(rows.columns, ["a", "b"]);
    assert_eq!(rows.rows[0], [Cell::Real(1.5), Cell::Bool(true)]);
    assert_eq!(
        rows.rows[1],
        [text("18446744073709551615"), text(r#"{"x":1}"#)]
    );
    assert_eq!(ask("true").expect("none").rows.rows.len(), 0);
}

#[test]
fn source_exec_gets_query_parameters_and_password() {
    let line = r#"read input; printf '["q","p","s","i"]\n'; jq=$(printf %s "$input" | sed 's/"/\\"/g')
        printf '["%s","%s","%s","%s"]\n' "$QUERY" "$PARAM_SINCE" "$SOURCE_PASSWORD" "$jq""#;
    let mut query = Query::new("orders", "test").param("since", text("$(id); 'x'"));
    query = query.param("none", Cell::Null);
    let rows = run(line, &query).expect("a row").rows.rows;
    let input = r#"{"params":{"none":null,"since":"$(id); 'x'"},"query":"orders"}"#;
    assert_eq!(
        rows[0],
        [
            text("orders"),
            text("$(id); 'x'"),
            text("geheim"),
            text(input)
        ]
    );
}

#[test]
fn source_exec_failures_are_told_apart() {
    let failed = |line: &str| ask(line).expect_err(line);
    let error = failed("echo working >&2; echo 'no such host' >&2; exit 3");
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Exec, "no such host")
    );
    assert_eq!(error.code.as_deref(), Some("exit 3"));
    let error = failed("no-such-command-of-crake");
    assert_eq!(error.code.as_deref(), Some("exit 127"));
    assert!(error.hint.expect("a hint").contains("not found"));
    let error = failed("echo '{\"a\":1}'; echo oops");
    assert!(error.message.contains("line 2"), "{error}");
    assert_eq!(failed("echo '[\"a\"]'; echo '[1,2]'").kind, ErrorKind::Exec);
    assert_eq!(
        failed("echo '{\"a\":1}'; exit 1").kind,
        ErrorKind::Exec,
        "no half answers"
    );
    let found = diagnose(&source("exec:no-such-command-of-crake", false), None, &mono);
    assert!(
        found
            .error
            .expect("a failure")
            .hint
            .expect("a hint")
            .contains("not found")
    );
}

#[test]
fn source_exec_ends_with_everything_it_started() {
    let sandbox = Sandbox::new();
    let line = |rest: &str| format!("cd {} && {rest}", sandbox.path("").display());
    let mut query = Query::new("x", "test");
    query.timeout_ms = 200;
    let slow = line("sh -c 'echo $$ > pid; exec sleep 600' & sleep 600");
    assert_eq!(
        run(&slow, &query).expect_err("stopped").kind,
        ErrorKind::Timeout
    );
    let pid = std::fs::read_to_string(sandbox.path("pid")).expect("a pid");
    let stat = format!("/proc/{}/stat", pid.trim());
    until("what it started is gone", || {
        let gone = std::fs::read_to_string(&stat).map_or(true, |s| s.contains(") Z "));
        gone.then_some(())
    });
    let endless = line("while :; do echo '{\"a\":1}'; done");
    let answer = run(&endless, &Query::new("x", "test")).expect("rows");
    assert_eq!(
        (answer.rows.rows.len(), answer.rows.truncated),
        (10_000, true)
    );
}
