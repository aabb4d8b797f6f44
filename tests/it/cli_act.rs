//! The verbs that act: what they write, what they say, and what they exit with.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crake::model::{Exit, Outcome, Record, RunId, RunState};
use crake::process::{Captured, Chunk, Stream};
use crake::store::StoredOutput;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::bench::{Bench, Ran, ended, job, live_run, new_run, whole_run};
use crate::support::wait::until;

fn chunk(stream: Stream, at: i64, offset: u64, text: &str) -> Chunk {
    Chunk {
        stream,
        at,
        offset,
        bytes: text.as_bytes().to_vec(),
    }
}

fn keep(bench: &Bench, run: i64, chunks: Vec<Chunk>) {
    let total = chunks.last().map_or(0, Chunk::end);
    let captured = Captured {
        chunks,
        total,
        dropped: 0,
    };
    let kept = StoredOutput::Here(captured.encode());
    bench.store().keep_output(&[(RunId(run), 1, kept)]).unwrap();
}

#[test]
fn enqueue_makes_a_run_that_waits_for_a_daemon() {
    let bench = Bench::new();
    let ran = bench.run(&[
        "enqueue",
        "--queue",
        "low",
        "--env",
        "A=b=c",
        "--",
        "/bin/echo",
        "x y",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "1\n"), "{ran:?}");
    assert!(ran.err.contains("no daemon is running; #1 waits"));
    let run = bench.store().run(RunId(1)).unwrap().unwrap();
    assert_eq!((run.state, run.queue.as_str()), (RunState::Queued, "low"));
    assert!(
        run.job.starts_with("echo-") && run.job.len() == 11,
        "{}",
        run.job
    );
    let row = bench.store().job(&run.job).unwrap().unwrap();
    assert!(!row.job.listed);
    assert_eq!(row.job.spec.command.display(), "/bin/echo 'x y'");
    assert_eq!(row.job.spec.env[0].1.lossy(), "b=c");
    let here = std::env::current_dir().unwrap();
    assert_eq!(row.job.spec.cwd.as_deref(), here.to_str());

    let later = bench.run(&[
        "enqueue", "--in", "1h", "--name", "later", "--json", "--", "true",
    ]);
    let item = &later.json()["item"];
    assert_eq!((&item["run"], &item["job"]), (&2.into(), &"later".into()));
    assert_eq!(item["origin"], "enqueue");
    let taken = bench.run(&["enqueue", "--name", "later", "--", "true"]);
    assert_eq!(taken.code, 5, "{taken:?}");
    assert_eq!(
        bench
            .run(&["enqueue", "--queue", "none", "--", "true"])
            .code,
        3
    );
    assert_eq!(bench.run(&["enqueue"]).code, 2);
}

#[test]
fn run_needs_a_daemon_unless_it_need_not_wait() {
    let bench = Bench::new();
    bench.job("hello", None, bench.now);
    let ran = bench.run(&["run", "hello"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("crake daemon"));
    assert_eq!(bench.items(&["history"]).len(), 0, "nothing is queued");
    let ran = bench.run(&["run", "hello", "-d", "--env", "DAY=1"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "1\n"));
    assert!(ran.err.contains("waits until one is"));
    let ran = bench.run(&["run", "helo"]);
    assert!(ran.code == 3 && ran.err.contains("\"hello\""), "{ran:?}");
}

#[test]
fn run_passes_output_on_and_exits_as_the_job_did() {
    for (outcome, exit, code) in [
        (Outcome::Succeeded, Exit::Code(0), 0),
        (Outcome::Failed, Exit::Code(7), 7),
        (Outcome::Signaled, Exit::Signal(11), 139),
        (Outcome::TimedOut, Exit::Signal(15), 124),
        (Outcome::Killed, Exit::Signal(15), 137),
        (Outcome::Unspawnable, Exit::Unspawnable(2), 127),
        (Outcome::Unspawnable, Exit::Unspawnable(13), 126),
        (Outcome::Lost, Exit::Code(0), 125),
    ] {
        let bench = Bench::new();
        bench.job("hello", None, bench.now);
        let told = bench.daemon_that_ends(outcome, exit);
        let at = bench.now;
        let chunks = vec![
            chunk(Stream::Out, at, 0, "out\x1b[31m\n"),
            chunk(Stream::Err, at, 9, "err\n"),
        ];
        keep(&bench, 1, chunks);
        let ran = bench.run(&["run", "hello"]);
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(ran.out, "out\x1b[31m\n", "untouched");
        assert!(ran.err.contains("err\n"), "{ran:?}");
        assert!(ran.err.contains("run #1 hello"), "{ran:?}");
        assert!(ran.err.trim_end().ends_with("after 3.1s"), "{ran:?}");
        assert_eq!(*told.lock().unwrap(), [RunId(1)]);
    }
}

#[test]
fn ctrl_c_leaves_the_run_alive_and_says_how_to_go_on() {
    let bench = Bench::new();
    bench.job("hello", None, bench.now);
    bench.daemon(|_| {});
    let asking = bench
        .command(&["run", "hello"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("a run to be asked for", || {
        bench.store().run(RunId(1)).unwrap()
    });
    let pid = Pid::from_child(&asking);
    kill_process(pid, Signal::INT).unwrap();
    let ran = Ran::of(asking.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.err.contains("run #1 hello goes on"), "{ran:?}");
    assert!(ran.err.contains("crake logs -f 1") && ran.err.contains("crake kill 1"));
    let run = bench.store().run(RunId(1)).unwrap().unwrap();
    assert_eq!((run.state, run.cancel_at), (RunState::Queued, None));
}

#[test]
fn wait_tells_transitions_and_exits_as_the_job_did() {
    let bench = Bench::new();
    bench.job("hello", None, bench.now);
    let mut records = whole_run(1, "hello", Outcome::Failed, Exit::Code(3), bench.now);
    records.push(Record::New(new_run(2, "hello", bench.now)));
    bench.record(&records);
    let over = bench.run(&["wait", "hello~1"]);
    assert_eq!(over.code, 3);
    assert!(
        over.out.contains("#1 hello FAIL exit 3 after 3.1s"),
        "{over:?}"
    );
    let any = bench.run(&["wait", "1", "2", "--any", "--json"]);
    assert_eq!(
        (any.code, any.json()["items"].as_array().unwrap().len()),
        (3, 2)
    );
    assert_eq!(bench.run(&["wait", "2"]).code, 4, "nobody could end it");
    let up = bench.run(&["wait", "2", "--timeout", "100ms"]);
    assert_eq!(up.code, 124, "{up:?}");
    assert_eq!(bench.run(&["wait", "77"]).code, 3);

    bench.daemon(|_| {});
    let mut waiting = bench
        .command(&["wait", "2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    bench.record(&live_run(2, "hello", bench.now)[1..]);
    let exit = Exit::Code(0);
    bench.record(&[ended(
        RunId(2),
        "hello",
        2,
        Outcome::Succeeded,
        exit,
        bench.now,
    )]);
    let lines = BufReader::new(waiting.stdout.take().unwrap()).lines();
    let last = lines.map(Result::unwrap).last().unwrap();
    assert!(last.contains("#2 hello") && last.contains("ok"), "{last}");
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
}

#[test]
fn kill_says_what_came_of_it() {
    let bench = Bench::new();
    bench.job("hello", None, bench.now);
    let mut records = whole_run(1, "hello", Outcome::Succeeded, Exit::Code(0), bench.now);
    records.extend(live_run(2, "hello", bench.now));
    records.push(Record::New(new_run(3, "hello", bench.now)));
    bench.record(&records);
    let over = bench.run(&["kill", "1"]);
    assert_eq!(over.code, 5, "{over:?}");
    assert!(over.err.contains("run #1 hello is over: ok"));
    assert_eq!(bench.run(&["kill"]).code, 2);
    assert_eq!(bench.run(&["kill", "9"]).code, 3);
    assert_eq!(bench.run(&["cancel", "2"]).code, 5, "it has started");
    assert_eq!(bench.run(&["kill", "2"]).code, 4, "nobody could end it");

    let (now, mut left) = (bench.now, vec![2]);
    bench.daemon(move |store| {
        for run in store.cancelled().unwrap() {
            if run.queued {
                let dropped = crake::model::Drop {
                    run: run.run,
                    job: "hello".to_owned(),
                    outcome: Outcome::Cancelled,
                    reason: "cancelled by ana".to_owned(),
                    at: now,
                };
                store.record(&[Record::Drop(dropped)], None, now).unwrap();
            } else if left.pop().is_some() {
                let end = ended(
                    run.run,
                    "hello",
                    run.run.0,
                    Outcome::Killed,
                    Exit::Signal(15),
                    now,
                );
                store.record(&[end], None, now).unwrap();
            }
        }
    });
    // A job's name means the run of it that is alive.
    let killed = bench.run(&["kill", "hello"]);
    assert_eq!(killed.code, 0, "{killed:?}");
    assert!(killed.err.contains("run #2 hello KILLED") && killed.err.contains("gone after"));
    let back = bench.run(&["cancel", "hello", "--json"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(back.json()["items"][0]["state"], "cancelled");
}

#[test]
fn a_run_taken_back_without_a_daemon_is_noted() {
    let bench = Bench::new();
    bench.job("hello", None, bench.now);
    bench.record(&[Record::New(new_run(1, "hello", bench.now))]);
    let ran = bench.run(&["cancel", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("will not start"));
    let run = bench.store().run(RunId(1)).unwrap().unwrap();
    assert!(run.cancel_at.is_some());
}

#[test]
fn retry_makes_a_run_that_names_the_old_one() {
    let bench = Bench::new();
    bench.job("hello", None, bench.now);
    bench.job("fine", None, bench.now);
    let mut records = whole_run(
        1,
        "hello",
        Outcome::Failed,
        Exit::Code(3),
        bench.now - 9_000,
    );
    records.extend(whole_run(
        2,
        "fine",
        Outcome::Succeeded,
        Exit::Code(0),
        bench.now - 9_000,
    ));
    bench.record(&records);
    let failed = bench.items(&["retry", "--failed"]);
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (&failed[0]["origin"], &failed[0]["origin_ref"]),
        (&"retry".into(), &"1".into())
    );
    assert_eq!(
        bench.items(&["retry", "--failed"]).len(),
        0,
        "it is under way"
    );
    assert_eq!(bench.run(&["retry", "3"]).code, 5, "it is not over");
    let again = bench.run(&["retry", "hello@fail"]);
    assert_eq!((again.code, again.out.as_str()), (0, "#4 hello for #1\n"));
    assert_eq!(bench.run(&["retry", "fine@fail"]).code, 3);
    bench.store().remove_job("fine", "ana", bench.now).unwrap();
    assert_eq!(bench.run(&["retry", "2"]).code, 3);
}

#[test]
fn logs_pass_bytes_to_a_pipe_and_lines_to_programs() {
    let bench = Bench::new();
    bench.job("hello", None, bench.now);
    let at = bench.now - 9_000;
    bench.record(&whole_run(
        1,
        "hello",
        Outcome::Succeeded,
        Exit::Code(0),
        at,
    ));
    let chunks = vec![
        chunk(Stream::Out, at, 0, "one\ntw"),
        chunk(Stream::Err, at + 5, 6, "oops\x1b[2J\n"),
        chunk(Stream::Out, at + 9, 15, "o\nthree"),
    ];
    keep(&bench, 1, chunks);
    let bytes = |args: &[&str]| {
        let ran = bench.run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out
    };
    assert_eq!(bytes(&["logs", "1"]), "one\ntwoops\x1b[2J\no\nthree");
    assert_eq!(
        bytes(&["logs", "hello", "--raw", "--stream", "err"]),
        "oops\x1b[2J\n"
    );
    assert_eq!(bytes(&["logs", "#1", "-n", "1"]), "three");
    assert_eq!(
        bytes(&["logs", "1.1", "--stream", "out", "-n", "2"]),
        "two\nthree"
    );
    assert_eq!(
        bytes(&["logs", "1", "-f", "--stream", "err"]),
        "oops\x1b[2J\n"
    );
    let items = bench.items(&["logs", "1"]);
    let lines: Vec<(&str, &str)> = items
        .iter()
        .map(|i| (i["stream"].as_str().unwrap(), i["text"].as_str().unwrap()))
        .collect();
    assert_eq!(
        lines,
        [
            ("out", "one"),
            ("err", "oops\x1b[2J"),
            ("out", "two"),
            ("out", "three")
        ]
    );
    assert_eq!(bench.run(&["logs", "1", "--attempt", "2"]).code, 3);
    assert_eq!(bench.run(&["logs", "nobody"]).code, 3);

    bench.record(&[Record::New(new_run(2, "hello", at))]);
    let ran = bench.run(&["logs", "hello"]);
    assert!(
        ran.out.is_empty() && ran.err.contains("has not started"),
        "{ran:?}"
    );
}

#[test]
fn logs_find_what_was_too_large_for_the_store() {
    let bench = Bench::new();
    bench
        .store()
        .put_job(&job("hello"), &[], false, "ana", bench.now)
        .unwrap();
    let at = bench.now - 9_000;
    bench.record(&whole_run(
        1,
        "hello",
        Outcome::Succeeded,
        Exit::Code(0),
        at,
    ));
    let file = bench.paths().home.join("1.1");
    let captured = Captured {
        chunks: vec![
            chunk(Stream::Out, at, 0, "head\n"),
            chunk(Stream::Out, at, 105, "tail\n"),
        ],
        total: 110,
        dropped: 100,
    };
    std::fs::write(&file, captured.encode()).unwrap();
    let kept = StoredOutput::File(file.to_str().unwrap().to_owned());
    bench.store().keep_output(&[(RunId(1), 1, kept)]).unwrap();
    let ran = bench.run(&["logs", "1"]);
    assert_eq!(ran.out, "head\ntail\n");
    assert!(
        ran.err.contains("100 bytes of the output not kept"),
        "{ran:?}"
    );
    std::fs::remove_file(&file).unwrap();
    assert_eq!(bench.run(&["logs", "1"]).code, 1);
}
