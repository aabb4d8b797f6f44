//! `crake status` for monitoring systems and for those who listen to it.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crake::model::{Exit, Outcome};

use crate::support::bench::{Bench, whole_run};

/// What OpenMetrics 1.0 asks of a text of gauges: a family is announced before its samples and only
/// once, its name ends with its unit, a sample stands once, the last line is the end.
fn samples(text: &str) -> HashMap<String, f64> {
    let (body, end) = text.rsplit_once("# EOF\n").expect("an end");
    assert_eq!(end, "", "nothing follows the end");
    let (mut family, mut families, mut found) = (String::new(), HashSet::new(), HashMap::new());
    for line in body.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "TYPE", name, "gauge"] => {
                assert!(families.insert(name.to_owned()), "{name} stands twice");
                name.clone_into(&mut family);
            }
            ["#", "UNIT", name, unit] => {
                assert!(
                    name == family && name.ends_with(&format!("_{unit}")),
                    "{line}"
                );
            }
            ["#", "HELP", name, _] => assert_eq!(name, family, "{line}"),
            _ => {
                let (sample, value) = line.rsplit_once(' ').expect("a value");
                let name = sample.split('{').next().unwrap();
                assert_eq!(name, family, "{line}");
                let value = value
                    .parse()
                    .unwrap_or_else(|_| panic!("no number: {line}"));
                assert!(
                    found.insert(sample.to_owned(), value).is_none(),
                    "{line} stands twice"
                );
            }
        }
    }
    found
}

#[test]
fn status_prom_says_what_status_says() {
    let bench = Bench::new();
    bench.job("back \"up\"", Some("@daily"), bench.now - 1_000);
    bench.job("mail", None, bench.now - 1_000);
    let at = bench.now - 5_000;
    bench.record(&whole_run(
        1,
        "back \"up\"",
        Outcome::Failed,
        Exit::Code(3),
        at,
    ));
    bench.record(&whole_run(2, "mail", Outcome::Succeeded, Exit::Code(0), at));
    let down = bench.run(&["status", "-o", "prom"]);
    assert_eq!(down.code, 0, "{down:?}");
    assert_eq!(samples(&down.out)["crake_up"], 0.0);
    bench.daemon(|_| ());
    let ran = bench.run(&["status", "-o", "prom"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let found = samples(&ran.out);
    assert_eq!(found["crake_up"], 1.0);
    assert_eq!(found["crake_jobs"], 2.0);
    assert_eq!(found["crake_attention{level=\"urgent\"}"], 1.0);
    assert_eq!(
        found["crake_attention_by_kind{level=\"urgent\",kind=\"failed\"}"],
        1.0
    );
    assert_eq!(
        found["crake_job_last_success{job=\"back \\\"up\\\"\"}"],
        0.0
    );
    assert_eq!(found["crake_job_last_success{job=\"mail\"}"], 1.0);
    assert_eq!(found["crake_queue_waiting{queue=\"normal\"}"], 0.0);
    assert_eq!(bench.run(&["status", "-o", "prom", "--json"]).code, 2);
}

#[test]
fn status_watch_says_only_what_changes() {
    let bench = Bench::new();
    bench.job("mail", None, bench.now - 1_000);
    bench.daemon(|_| ());
    let mut child = bench
        .command(&["status", "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |text: &str| {
        let mut seen = Vec::new();
        for line in lines.by_ref() {
            seen.push(line.unwrap());
            if seen.last().unwrap().contains(text) {
                return seen;
            }
        }
        panic!("the end came before {text}: {seen:?}");
    };
    until("today 0 ok");
    let at = bench.now;
    bench.record(&whole_run(
        1,
        "mail",
        Outcome::Failed,
        Exit::Code(3),
        at - 5_000,
    ));
    let first = until("today 0 ok, 1 failed");
    assert!(
        first[0].starts_with("urgent FAIL mail: exit 3, "),
        "{first:?}"
    );
    assert_eq!(first.len(), 2, "only what changed: {first:?}");
    bench.record(&whole_run(2, "mail", Outcome::Succeeded, Exit::Code(0), at));
    let second = until("today 1 ok, 1 failed");
    assert!(second[0].starts_with("over: FAIL mail, "), "{second:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}
