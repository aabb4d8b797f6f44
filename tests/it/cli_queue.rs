//! `crake queue` and `crake ack`.

use crake::model::{Exit, Outcome, Record};
use serde_json::Value;

use crate::support::bench::{Bench, live_run, new_run, whole_run};

fn queue(bench: &Bench, name: &str) -> Value {
    let items = bench.items(&["queue", "ls"]);
    let item = items.into_iter().find(|q| q["name"] == name);
    item.unwrap_or(Value::Null)
}

fn attention(bench: &Bench) -> Vec<Value> {
    let status = bench.run(&["status", "--json"]).json();
    status["item"]["attention"].as_array().unwrap().clone()
}

#[test]
fn queues_show_what_runs_and_waits_in_them() {
    let bench = Bench::new();
    bench.job("a", None, 1);
    bench.record(&live_run(1, "a", bench.now - 60_000));
    bench.record(&[Record::New(new_run(2, "a", bench.now - 90_000))]);
    let normal = queue(&bench, "normal");
    let count = |key: &str| normal[key].as_i64().unwrap();
    assert_eq!(
        [count("rank"), count("running"), count("waiting")],
        [1, 1, 1]
    );
    assert!(count("oldest_wait_ms") >= 90_000, "{normal}");
    assert_eq!(
        (&normal["slots"], &normal["paused"]),
        (&Value::Null, &false.into())
    );
    let low = queue(&bench, "low");
    assert_eq!(
        (&low["reserved"], &low["oldest_wait_ms"]),
        (&1.into(), &Value::Null)
    );
    let table = bench.run(&["queue", "ls"]).out;
    assert!(table.starts_with("QUEUE"), "{table}");
}

#[test]
fn queues_are_made_changed_and_removed() {
    let bench = Bench::new();
    let code = |line: &str| {
        let args: Vec<&str> = line.split(' ').collect();
        bench.run(&args).code
    };
    assert_eq!(code("queue set heavy --slots 1"), 3);
    assert_eq!(code("queue set heavy --create --slots 1"), 0);
    let heavy = queue(&bench, "heavy");
    assert_eq!((&heavy["rank"], &heavy["slots"]), (&3.into(), &1.into()));
    assert_eq!(code("queue set heavy --create"), 5);
    let taken = bench.run(&["queue", "set", "heavy", "--rank", "0"]);
    assert_eq!(taken.code, 5, "{taken:?}");
    let words = "rank 0 is that of the queue \"high\"";
    assert!(taken.err.contains(words), "{taken:?}");
    assert_eq!(code("queue set heavy --rank 9 --slots none"), 0);
    assert_eq!(queue(&bench, "heavy")["slots"], Value::Null);
    assert_eq!(code("add a -c true --queue heavy"), 0);
    assert_eq!(code("queue set heavy --rm"), 5);
    assert_eq!(code("edit a --queue low"), 0);
    assert_eq!(code("queue set heavy --rm"), 0);
    assert_eq!(queue(&bench, "heavy"), Value::Null);
    assert_eq!(code("queue set low"), 2);
    assert_eq!(code("queue set low --slots 0"), 2);
}

#[test]
fn a_paused_queue_needs_attention_until_it_is_resumed() {
    let bench = Bench::new();
    let why = "backup window";
    let pause = ["queue", "set", "low", "--pause", "--reason", why];
    assert_eq!(bench.run(&pause).code, 0);
    let low = queue(&bench, "low");
    assert_eq!(
        (&low["paused"], &low["pause_reason"]),
        (&true.into(), &why.into())
    );
    let found = || attention(&bench).into_iter().find(|a| a["kind"] == "queue");
    let told = found().expect("an entry");
    assert!(told["text"].as_str().unwrap().contains(why), "{told}");
    assert_eq!(told["hint"], "crake queue set low --resume");
    assert_eq!(bench.run(&["queue", "set", "low", "--resume"]).code, 0);
    assert_eq!(found(), None);
    assert_eq!(queue(&bench, "low")["pause_reason"], Value::Null);
}

#[test]
fn an_acknowledged_failure_needs_no_attention() {
    let bench = Bench::new();
    bench.job("a", None, 1);
    let at = bench.now - 60_000;
    let failed = |run, at| bench.record(&whole_run(run, "a", Outcome::Failed, Exit::Code(3), at));
    failed(1, at);
    let kinds = || -> Vec<Value> {
        let of_it = attention(&bench).into_iter().filter(|a| a["job"] == "a");
        of_it.map(|a| a["kind"].clone()).collect()
    };
    let nothing = Vec::<Value>::new();
    assert_eq!(kinds(), ["failed"]);
    assert_eq!(bench.run(&["ack", "ghost"]).code, 3);
    let acked = bench.run(&["ack", "a", "disk was full"]);
    assert_eq!(acked.code, 0, "{acked:?}");
    assert_eq!(kinds(), nothing);
    let run = &bench.items(&["history", "a"])[0];
    assert_eq!(run["ack"]["note"], "disk was full", "{run}");
    let history = bench.run(&["history", "a"]).out;
    assert!(history.contains("disk was full"), "{history}");
    let told = bench.run(&["explain", "1"]).out;
    assert!(told.contains("acknowledged by"), "{told}");
    // The next failure is new.
    failed(2, at + 10_000);
    assert_eq!(kinds(), ["failed"]);
    assert_eq!(bench.run(&["ack", "2", "--for", "1ms"]).code, 0);
    assert_eq!(kinds(), ["failed"], "for a moment only");
    assert_eq!(bench.run(&["ack", "a@fail", "--for", "2d"]).code, 0);
    assert_eq!(kinds(), nothing);
    bench.record(&whole_run(
        3,
        "a",
        Outcome::Succeeded,
        Exit::Code(0),
        at + 20_000,
    ));
    assert_eq!(bench.run(&["ack", "3"]).code, 5);
    // Of a job the latest run that failed is meant.
    let acked = bench.run(&["ack", "a", "--json"]).json();
    assert_eq!(acked["item"]["run"], 2, "{acked}");
}
