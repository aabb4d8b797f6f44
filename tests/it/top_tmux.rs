//! The dashboard in a real terminal: tmux types the keys and reads the screen.

use rustix::process::{Signal, kill_process};

use crate::support::instance::Instance;
use crate::support::sandbox::Sandbox;
use crate::support::tmux::{SANE, Tmux, has_tmux, top_pid};
use crate::support::wait::{until, within};

#[test]
fn top_in_a_terminal_shows_finds_and_kills() {
    if !has_tmux() {
        return;
    }
    let instance = Instance::running();
    let home = &instance.sandbox;
    home.ok(&[
        "add",
        "hang",
        "-c",
        "while :; do echo tick; sleep 0.2; done",
    ]);
    home.ok(&["add", "fails", "-c", "echo went wrong >&2; exit 3"]);
    home.ok(&["run", "hang", "-d"]);
    home.ok(&["run", "fails", "-d"]);
    let tmux = Tmux::new(home, "kill", SANE);
    tmux.see(&[
        "NEEDS ATTENTION",
        "FAIL",
        "fails",
        "exit 3",
        "RUNNING 1",
        "hang",
    ]);
    // The output of the living run, as it goes on.
    // The cursor is where it was when the first row came; it goes to the top and one down.
    tmux.keys(&["g", "j", "l"]);
    tmux.see(&["LOG #", "following", "| tick"]);
    let lines = || {
        tmux.screen()
            .split(" lines")
            .next()
            .and_then(|t| t.rsplit(' ').next()?.parse::<u32>().ok())
    };
    let before = until("a number of lines", lines);
    until("more output", || lines().filter(|now| *now > before));
    tmux.keys(&["Escape"]);
    tmux.see(&["NEEDS ATTENTION"]);
    // Enter is no, y is yes.
    tmux.keys(&["K"]);
    tmux.see(&["Kill run #", "[N] no"]);
    tmux.keys(&["Enter"]);
    tmux.see(&["nothing was done", "RUNNING 1"]);
    tmux.keys(&["K"]);
    tmux.see(&["Kill run #"]);
    tmux.keys(&["y"]);
    tmux.see(&["RUNNING 0", "KILLED", "gone after"]);
    // Filter, small, and large again.
    tmux.keys(&["2", "/", "fai", "Enter"]);
    tmux.see(&["fails"]);
    tmux.see_no("hang  ");
    tmux.run(&["resize-window", "-t", "it", "-x", "40", "-y", "10"]);
    tmux.see(&["fails", "? help"]);
    tmux.run(&["resize-window", "-t", "it", "-x", "30", "-y", "5"]);
    tmux.see(&["need attention"]);
    tmux.run(&["resize-window", "-t", "it", "-x", "100", "-y", "30"]);
    tmux.see(&["RUN TIMES", "fails"]);
    tmux.keys(&["q"]);
    tmux.see(&["code=0"]);
    tmux.is_sane();
}

#[test]
fn top_gives_the_terminal_back_whatever_ends_it() {
    if !has_tmux() {
        return;
    }
    let sandbox = Sandbox::new();
    for (name, signal) in [
        ("term", Signal::TERM),
        ("hup", Signal::HUP),
        ("int", Signal::INT),
    ] {
        let tmux = Tmux::new(&sandbox, name, SANE);
        tmux.see(&["DAEMON NOT ANSWERING", "no jobs yet"]);
        kill_process(top_pid(&tmux), signal).unwrap();
        tmux.see(&["code=0"]);
        tmux.is_sane();
    }
    let tmux = Tmux::new(
        &sandbox,
        "ctrl-c",
        "crake top --mouse; echo code=$?; stty -a",
    );
    tmux.see(&["no jobs yet"]);
    tmux.keys(&["C-c"]);
    tmux.see(&["code=0"]);
    tmux.is_sane();
}

#[test]
fn top_killed_outright_leaves_the_terminal_as_the_check_can_see() {
    if !has_tmux() {
        return;
    }
    let sandbox = Sandbox::new();
    let tmux = Tmux::new(&sandbox, "sigkill", SANE);
    tmux.see(&["no jobs yet"]);
    kill_process(top_pid(&tmux), Signal::KILL).unwrap();
    let text = tmux.see(&["echoctl"]);
    assert!(
        text.contains("-icanon") && text.contains("-echo "),
        "{text}"
    );
}

#[test]
fn top_stops_and_goes_on_as_a_job_of_the_shell() {
    if !has_tmux() {
        return;
    }
    let sandbox = Sandbox::new();
    let line = "set -m; crake top; echo stopped; stty -a; read x; fg; echo code=$?";
    let tmux = Tmux::new(&sandbox, "stop", line);
    tmux.see(&["no jobs yet"]);
    tmux.keys(&["C-z"]);
    tmux.see(&["stopped"]);
    tmux.is_sane();
    tmux.keys(&["Enter"]);
    tmux.see(&["no jobs yet"]);
    tmux.see_no("stopped");
    tmux.keys(&["?"]);
    tmux.see(&["any key closes"]);
    tmux.keys(&["x", "q"]);
    tmux.see(&["code=0"]);
}

#[test]
fn top_gives_the_terminal_to_the_editor_and_takes_it_back() {
    if !has_tmux() {
        return;
    }
    let instance = Instance::running();
    instance.sandbox.ok(&["add", "one", "-c", "true"]);
    let line = "export EDITOR='sh -c \"read x; echo tags = [\\\\\\\"\\$x\\\\\\\"] > \\$1.new; grep -v ^tags \\$1 >> \\$1.new; mv \\$1.new \\$1\" sh'; crake top jobs; stty -a";
    let tmux = Tmux::new(&instance.sandbox, "editor", line);
    tmux.see(&["RUN TIMES", "one"]);
    tmux.keys(&["e"]);
    // Every key goes to the editor while it has the terminal.
    tmux.see_no("RUN TIMES");
    tmux.keys(&["quick", "Enter"]);
    tmux.see(&["Enter goes back"]);
    tmux.keys(&["Enter"]);
    tmux.see(&["RUN TIMES", "one"]);
    let tags = &instance.sandbox.item(&["show", "one"])["tags"];
    assert_eq!(tags[0], "quick", "{tags}");
    tmux.keys(&["q"]);
    tmux.is_sane();
}

#[test]
fn top_says_within_five_seconds_that_the_daemon_is_dead() {
    if !has_tmux() {
        return;
    }
    let mut instance = Instance::running();
    instance
        .sandbox
        .ok(&["add", "talks", "-c", "echo said before"]);
    instance.sandbox.ok(&["run", "talks"]);
    let tmux = Tmux::new(&instance.sandbox, "dead", SANE);
    tmux.see(&["daemon up", "talks"]);
    instance.kill_all();
    within(5_000, "the death of the daemon is told", || {
        tmux.screen().contains("DAEMON NOT ANSWERING").then_some(())
    });
    tmux.keys(&["3"]);
    tmux.see(&["RUNS 1", "talks"]);
    tmux.keys(&["l"]);
    tmux.see(&["LOG #", "said before"]);
    tmux.keys(&["Escape", "K"]);
    tmux.see(&["the daemon does not answer"]);
    instance.start();
    tmux.see(&["daemon up"]);
    tmux.keys(&["q"]);
    tmux.is_sane();
}

#[test]
fn top_uses_no_colour_where_none_is_wanted() {
    if !has_tmux() {
        return;
    }
    let sandbox = Sandbox::new();
    let tmux = Tmux::new(&sandbox, "mono", "export NO_COLOR=1; crake top; stty -a");
    tmux.see(&["no jobs yet"]);
    let painted = tmux.run(&["capture-pane", "-e", "-p", "-t", "it"]);
    for color in [
        "[31m", "[32m", "[33m", "[36m", ";31m", ";32m", ";33m", ";36m",
    ] {
        assert!(!painted.contains(color), "{color}: {painted:?}");
    }
    assert!(
        painted.contains("\u{1b}[1m") || painted.contains("\u{1b}[0;1m"),
        "bold stays: {painted:?}"
    );
}

#[test]
fn top_without_a_terminal_points_to_what_works() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["top"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stderr.contains("status --watch"), "{answer:?}");
    let plain = sandbox.run_with("CRAKE_PLAIN", "1", &["top"]);
    assert!(plain.stderr.contains("CRAKE_PLAIN"), "{plain:?}");
    let once = sandbox.ok(&["top", "--once", "--size", "60x12", "jobs"]);
    assert_eq!(once.stdout.lines().count(), 12, "{once:?}");
    assert!(once.stdout.contains("No jobs yet"), "{once:?}");
    assert_eq!(sandbox.run(&["top", "nonsense"]).code, 2);
}
