//! A night with the dashboard in one real terminal, from the first look to the end.

use rustix::process::{Signal, kill_process};

use crate::support::instance::Instance;
use crate::support::tmux::{Tmux, has_tmux, top_pid};
use crate::support::wait::{pass, until};

/// A job that hangs, one that fails, one whose fires were missed, and a watch whose query is wrong.
fn night() -> Instance {
    let mut instance = Instance::running();
    let home = &instance.sandbox;
    home.ok(&[
        "add",
        "late",
        "-s",
        "every 1s",
        "--catch-up",
        "none",
        "-c",
        "true",
    ]);
    instance.succeeded("late", 1);
    instance.stop();
    pass(7_000);
    instance.start();
    instance.until_sql("EXISTS(SELECT 1 FROM fire WHERE verdict = 'missed')");
    let home = &instance.sandbox;
    home.ok(&["pause", "late"]);
    home.ok(&[
        "add",
        "hang",
        "-c",
        "while :; do echo tick; sleep 0.2; done",
    ]);
    home.ok(&["add", "fails", "-c", "echo went wrong >&2; exit 3"]);
    let file = home.path("shop.db");
    let sql = rusqlite::Connection::open(&file).unwrap();
    sql.execute_batch("CREATE TABLE orders(id INTEGER PRIMARY KEY)")
        .unwrap();
    home.ok(&["source", "add", "shop", &file.display().to_string()]);
    let query = "SELECT id FROM ordres";
    let watch = [
        "watch",
        "add",
        "orders-new",
        "--source",
        "shop",
        "--query",
        query,
    ];
    home.ok(&[&watch[..], &["--job", "fails", "--every", "1s"]].concat());
    home.ok(&["run", "hang", "-d"]);
    home.ok(&["run", "fails", "-d"]);
    instance
}

#[test]
fn top_through_a_night_leaves_the_terminal_sane_each_time() {
    if !has_tmux() {
        return;
    }
    let instance = night();
    let line =
        "set -m; crake top; stty -a; while read x; do clear; fg; stty -a; done; echo code=$?";
    let tmux = Tmux::new(&instance.sandbox, "night", line);
    // Each of the four is found on the overview by its text.
    let screen = tmux.see(&[
        "NEEDS ATTENTION",
        "RUNNING 1",
        "FAIL",
        "exit 3",
        "MISSED",
        "orders-new",
        "ordres",
    ]);
    let row = |words: &[&str]| screen.lines().any(|l| words.iter().all(|w| l.contains(w)));
    assert!(row(&["FAIL", "fails", "exit 3"]), "{screen}");
    assert!(row(&["MISSED", "late"]), "{screen}");
    assert!(row(&["●", "hang"]), "{screen}");
    assert!(row(&["orders-new", "no such table"]), "{screen}");
    // Filter, open the output of the living run and follow it.
    tmux.keys(&["3", "/", "hang", "Enter"]);
    tmux.see(&["RUNS 1", "hang"]);
    tmux.keys(&["l"]);
    tmux.see(&["LOG #", "following", "| tick"]);
    let lines = || {
        let screen = tmux.screen();
        let before = screen.split(" lines").next()?;
        before.rsplit(' ').next()?.parse::<u32>().ok()
    };
    let seen = until("a number of lines", lines);
    until("more output", || lines().filter(|now| *now > seen));
    // Small and large again, stopped and on again, as a job of the shell.
    tmux.run(&["resize-window", "-t", "it", "-x", "40", "-y", "10"]);
    tmux.see(&["tick", "?"]);
    tmux.run(&["resize-window", "-t", "it", "-x", "100", "-y", "30"]);
    tmux.see(&["LOG #", "following"]);
    tmux.keys(&["C-z"]);
    tmux.is_sane();
    tmux.keys(&["Enter"]);
    tmux.see(&["LOG #", "following"]);
    // The living run is killed through the question, and is gone.
    tmux.keys(&["Escape", "K"]);
    tmux.see(&["Kill run #", "[N] no"]);
    tmux.keys(&["y"]);
    tmux.see(&["KILLED", "gone after"]);
    tmux.keys(&["Escape", "1"]);
    tmux.see(&["RUNNING 0"]);
    // The watch has its screen, with the query's fault.
    tmux.keys(&["6"]);
    tmux.see(&["WATCHES 1", "orders-new", "FAILING", "no such table"]);
    kill_process(top_pid(&tmux), Signal::TERM).unwrap();
    tmux.is_sane();
}
