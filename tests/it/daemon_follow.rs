//! Followers and retries with a real daemon, whatever is killed.

use rustix::process::Signal;

use crate::support::instance::{Instance, number, signal};
use crate::support::wait::until;

/// Ends of a run that have not exactly one follower.
const WRONG: &str = "SELECT count(*) FROM run u WHERE u.job = 'up' AND u.ended_at IS NOT NULL AND
  (SELECT count(*) FROM run f WHERE f.job = CASE u.state WHEN 'succeeded' THEN 'ok' ELSE 'bad' END
     AND f.origin = 'run' AND f.origin_ref = CAST(u.id AS TEXT)) <> 1";

#[test]
fn each_end_has_its_followers_once_whatever_is_killed() {
    let mut instance = Instance::running();
    for job in ["ok", "bad"] {
        let said = "$CRAKE_UPSTREAM_RUN $CRAKE_UPSTREAM_JOB $CRAKE_UPSTREAM_OUTCOME";
        let flags = ["--overlap", "allow", "--queue-max", "1000"];
        instance.add(job, &format!("echo {said} >> {job}"), &flags);
    }
    let flags = [
        "--overlap",
        "allow",
        "--on-success",
        "ok",
        "--on-failure",
        "bad",
    ];
    instance.add("up", "exit $((CRAKE_RUN % 2))", &flags);
    let insert = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
      INSERT INTO run(job) SELECT 'up' FROM n";
    let ended = "(SELECT count(*) FROM run WHERE job = 'up' AND ended_at IS NOT NULL)";
    for round in 1..=6_i64 {
        instance.sql().execute_batch(insert).unwrap();
        // Somewhere in the middle of it.
        instance.until_sql(&format!("{ended} >= {}", round * 40 - 33));
        if round % 2 == 0 {
            let killed = instance.kill_core();
            instance.up_but_for(Some(killed));
        } else {
            instance.kill_all();
            instance.start();
        }
    }
    instance.until_sql(&format!("{ended} = 240"));
    instance.until_sql("(SELECT count(*) FROM run WHERE state IN('queued', 'running')) = 0");
    assert_eq!(instance.cell::<i64>(WRONG), Some(0));
    let made = "SELECT count(*) FROM run WHERE origin = 'run'";
    assert_eq!(instance.cell::<i64>(made), Some(240));
    let ran = format!("{made} AND state = 'succeeded'");
    let mut lines = instance.lines("ok");
    lines.extend(instance.lines("bad"));
    assert_eq!(Some(lines.len() as i64), instance.cell::<i64>(&ran));
    let told = |l: &String| l.ends_with("up succeeded") || l.ends_with("up failed");
    assert!(lines.iter().all(told), "{lines:?}");
    eprintln!("240 ends, 6 kills: 240 followers, {} ran", lines.len());
    let last = "SELECT max(id) FROM run WHERE origin = 'run'";
    let follower = instance.cell::<i64>(last).unwrap().to_string();
    let told = instance.sandbox.ok(&["explain", &follower]).stdout;
    assert!(told.contains("made by the outcome of run"), "{told}");
}

#[test]
fn a_run_whose_worker_was_killed_is_tried_again_where_its_rule_says_so() {
    let instance = Instance::running();
    let gate = instance.gate("gate");
    let line = format!("echo $CRAKE_ATTEMPT $PPID >> tries; cat {}", gate.display());
    let flags = ["--on-lost", "retry", "--backoff", "100ms", "--retry", "1"];
    instance.add("job", &line, &flags);
    let run = number(&instance.sandbox.ok(&["run", "-d", "job"]));
    let first = instance.until_lines("tries", 1).remove(0);
    let worker: i32 = first.split(' ').nth(1).unwrap().parse().unwrap();
    signal(worker, Signal::KILL);
    let second = instance.until_lines("tries", 2).remove(1);
    assert!(second.starts_with("2 "), "{second}");
    // What the first attempt left was killed with its worker; the second is let go.
    until("the second reads", || std::fs::write(&gate, "").ok());
    let row = instance.ended(run);
    assert_eq!(
        (&row["state"], &row["attempt"]),
        (&"succeeded".into(), &2.into())
    );
    let told = instance.sandbox.item(&["explain", &run.to_string()]);
    let attempts = told["attempts"].as_array().unwrap();
    let outcome = |n: usize| attempts[n]["outcome"].as_str().unwrap();
    assert_eq!([outcome(0), outcome(1)], ["lost", "succeeded"], "{told}");
    assert!(attempts[0]["reason"].is_string(), "{told}");
    assert!(attempts[1]["took_ms"].is_i64(), "{told}");
}
