//! Output shown while a real worker writes it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crake::model::{Exit, Outcome, Record, RunId, Spawned};

use crate::process_house::House;
use crate::support::bench::{Bench, ended, live_run};

#[test]
fn logs_follow_a_worker_and_give_each_byte_once() {
    let mut house = House::new();
    let bench = Bench::new();
    bench.job("hello", None, bench.now);
    let paths = bench.paths();
    std::fs::create_dir_all(&paths.spool).unwrap();
    std::os::unix::fs::symlink(house.slots(), paths.slots()).unwrap();
    let gate = bench.paths().home.join("gate");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, mode).unwrap();

    let line = format!("echo one; read x < {}; echo $x >&2", gate.display());
    let order = house.line(1, &line);
    house.start(&order);
    let (pid, slot) = house.started(1);
    let mut records = live_run(1, "hello", bench.now);
    records.pop();
    records.push(Record::Spawned(Spawned {
        run: RunId(1),
        attempt: 1,
        fence: order.fence,
        pid,
        slot,
        at: bench.now,
    }));
    bench.record(&records);

    let mut following = bench
        .command(&["logs", "-f", "hello"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(following.stdout.take().unwrap());
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    assert_eq!(text, "one\n", "while it runs");
    assert_eq!(bench.run(&["logs", "1"]).out, "one\n");

    std::fs::File::create(&gate)
        .unwrap()
        .write_all(b"two\n")
        .unwrap();
    house.ended(1);
    // Nothing was put into the store: as if the daemon had died before it collected the output.
    let end = ended(
        RunId(1),
        "hello",
        1,
        Outcome::Succeeded,
        Exit::Code(0),
        bench.now,
    );
    bench.record(&[end]);
    out.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\ntwo\n");
    let mut words = String::new();
    following
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    assert!(words.contains("run #1 hello ok"), "{words}");
    assert_eq!(following.wait().unwrap().code(), Some(0));
    assert_eq!(bench.run(&["logs", "1", "--stream", "err"]).out, "two\n");
}
