//! Runs as the job and as the core see them.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use crake::model::{Command, Exit, Fence, Outcome, Raw, StopCause};
use crake::process::{Captured, PoolError, Stream};

use crate::process_house::House;
use crate::support::wait::{mono, until};

fn argv(words: &[&str]) -> Command {
    Command::Argv(words.iter().map(|w| Raw::from(*w)).collect())
}

fn out(captured: &Captured) -> String {
    String::from_utf8(captured.of(Stream::Out)).unwrap()
}

#[test]
fn exit_codes_and_signals_are_reported_as_they_are() {
    let mut house = House::new();
    let cases = [
        ("exit 0", Exit::Code(0), Outcome::Succeeded),
        ("exit 3", Exit::Code(3), Outcome::Failed),
        ("exit 255", Exit::Code(255), Outcome::Failed),
        ("kill -9 $$", Exit::Signal(9), Outcome::Signaled),
        ("kill -TERM $$", Exit::Signal(15), Outcome::Signaled),
        ("no-such-program-anywhere", Exit::Code(127), Outcome::Failed),
        ("/bin/sleep 0", Exit::Code(0), Outcome::Succeeded),
        ("sleep 0", Exit::Code(0), Outcome::Succeeded),
    ];
    for (fence, (line, exit, outcome)) in (1..).zip(cases) {
        let (report, _) = house.run(&house.line(fence, line));
        assert_eq!((report.exit, report.outcome()), (exit, outcome), "{line}");
        assert!(report.ended_at >= report.started_at);
    }
}

#[test]
fn what_cannot_be_executed_says_why() {
    let mut house = House::new();
    let plain = house.dir.path().join("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    let orphan = house.dir.path().join("orphan");
    fs::write(&orphan, "#!/no/interpreter\n").unwrap();
    fs::set_permissions(&orphan, fs::Permissions::from_mode(0o755)).unwrap();
    let (plain, orphan) = (plain.display().to_string(), orphan.display().to_string());
    let cases = [
        (
            argv(&["/no/such"]),
            2,
            "/no/such: No such file or directory".to_owned(),
        ),
        (
            Command::Line(Raw::from("/no/such -x")),
            2,
            "/no/such: No such file or directory".to_owned(),
        ),
        (
            argv(&["no-such-program"]),
            2,
            "no-such-program: not found on PATH".to_owned(),
        ),
        (argv(&[&plain]), 13, format!("{plain}: Permission denied")),
        (
            argv(&[&orphan]),
            2,
            format!("{orphan}: the interpreter or loader it names is missing"),
        ),
        (argv(&[]), 22, "there is nothing to execute".to_owned()),
    ];
    for (fence, (command, errno, reason)) in (1..).zip(cases) {
        let (report, captured) = house.run(&house.order(fence, command));
        assert_eq!(report.exit, Exit::Unspawnable(errno), "{reason}");
        assert_eq!(report.reason, Some(reason));
        assert_eq!(captured, Captured::default());
    }
    let mut order = house.line(20, "exit 0");
    order.cwd = Some("/no/such/dir".to_owned());
    let (report, _) = house.run(&order);
    assert_eq!(report.exit, Exit::Unspawnable(2));
    let reason = report.reason.unwrap();
    assert_eq!(
        reason,
        "working directory /no/such/dir: No such file or directory"
    );
}

#[test]
fn a_script_without_an_interpreter_line_is_run_by_the_shell_as_ever() {
    let mut house = House::new();
    let script = house.dir.path().join("script");
    fs::write(&script, "echo from the script; exit 4\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let (report, captured) = house.run(&house.line(1, script.to_str().unwrap()));
    assert_eq!(report.exit, Exit::Code(4));
    assert_eq!(out(&captured), "from the script\n");
}

#[test]
fn the_job_gets_exactly_the_environment_it_was_given() {
    let mut house = House::new();
    let mut order = house.order(77, argv(&["/usr/bin/env"]));
    order
        .env
        .push(("RAW".to_owned(), Raw(b"\xff \n=".to_vec())));
    let (_, captured) = house.run(&order);
    let bytes = captured.of(Stream::Out);
    let text = String::from_utf8_lossy(&bytes);
    let names: Vec<&str> = text
        .lines()
        .filter_map(|l| l.split_once('='))
        .map(|l| l.0)
        .collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        ["", "CRAKE_FENCE", "CRAKE_SLOT", "HOUSE", "PATH", "RAW"]
    );
    assert!(text.contains("CRAKE_FENCE=77\n"));
    assert!(bytes.windows(8).any(|w| w == b"RAW=\xff \n="));
}

#[test]
fn a_line_run_without_a_shell_sees_the_same_environment_as_with_one() {
    let mut house = House::new();
    let lines = |c: &Captured| {
        let text = out(c);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.retain(|l| {
            !["_=", "SHLVL=", "OLDPWD=", "CRAKE_"]
                .iter()
                .any(|p| l.starts_with(p))
        });
        lines.sort_unstable();
        lines
    };
    let mut direct = house.line(1, "env");
    direct.cwd = Some("/usr".to_owned());
    let mut by_shell = house.line(2, "env;");
    by_shell.cwd = direct.cwd.clone();
    let (_, a) = house.run(&direct);
    let (_, b) = house.run(&by_shell);
    assert_eq!(lines(&a), lines(&b));
}

#[test]
fn directory_mask_input_files_and_signals_are_the_jobs_own() {
    let mut house = House::new();
    let mut order = house.line(
        1,
        "pwd; umask; cat; ls /proc/$$/fd; ps -o sid=,pgid= -p $$ | wc -w",
    );
    order.cwd = Some("/usr".to_owned());
    order.umask = 0o027;
    let (_, captured) = house.run(&order);
    assert_eq!(out(&captured), "/usr\n0027\n0\n1\n2\n2\n");

    let order = house.order(2, argv(&["/bin/cat", "/proc/self/status"]));
    let (_, captured) = house.run(&order);
    let text = out(&captured);
    for line in text
        .lines()
        .filter(|l| l.starts_with("Sig") && !l.starts_with("SigQ"))
    {
        let (_, bits) = line.split_once('\t').unwrap();
        // 32 and 33 belong to libc, which lets nobody change them.
        let bits = u64::from_str_radix(bits, 16).unwrap() & !(3 << 31);
        assert_eq!(bits, 0, "{text}");
    }
    assert!(text.contains("Umask:\t0022"), "{text}");

    let mut order = house.line(3, "wc -c");
    order.stdin = Some(Raw(vec![b'x'; 1_000_000]));
    let (report, captured) = house.run(&order);
    assert_eq!(
        (report.exit, out(&captured).trim()),
        (Exit::Code(0), "1000000")
    );

    let mut order = house.line(4, "exit 5");
    order.stdin = Some(Raw(vec![b'x'; 1_000_000]));
    let (report, _) = house.run(&order);
    assert_eq!(report.exit, Exit::Code(5), "a job need not read its input");
}

#[test]
fn what_a_job_used_is_reported() {
    let mut house = House::new();
    let line = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let (report, _) = house.run(&house.line(1, line));
    assert!(report.cpu_ms > 10, "{report:?}");
    assert!(report.max_rss > 500_000, "{report:?}");
    let (small, _) = house.run(&house.line(2, "exit 0"));
    assert!(
        small.cpu_ms < report.cpu_ms,
        "what an earlier run used is not counted again"
    );
}

#[test]
fn limits_end_a_run_and_say_which() {
    let mut house = House::new();
    let mut order = house.line(1, "sleep 1000");
    order.timeout_ms = Some(150);
    let (report, _) = house.run(&order);
    assert_eq!(
        (report.stop, report.exit),
        (Some(StopCause::Timeout), Exit::Signal(15))
    );
    assert_eq!(report.reason.as_deref(), Some("it ran longer than 150ms"));

    let mut order = house.line(
        2,
        "echo a; sleep 0.1; echo b; sleep 0.1; echo c; sleep 1000",
    );
    order.silence_ms = Some(400);
    let (report, captured) = house.run(&order);
    assert_eq!(report.stop, Some(StopCause::Silence));
    assert_eq!(out(&captured), "a\nb\nc\n");
    assert!(report.ended_at - report.started_at >= 590, "{report:?}");

    house.start(&house.line(
        3,
        "trap 'echo told; exit 9' TERM; echo up; while :; do sleep 0.01; done",
    ));
    house.started(3);
    until("the trap is set", || {
        (!house.pool().captured(Fence(3)).unwrap().chunks.is_empty()).then_some(())
    });
    house.pool().stop(Fence(3), StopCause::Replaced, 10_000);
    let report = house.ended(3);
    assert_eq!(
        (report.stop, report.exit),
        (Some(StopCause::Replaced), Exit::Code(9))
    );
    assert_eq!(report.outcome(), Outcome::Killed);
    let captured = house.pool().captured(Fence(3)).unwrap();
    assert_eq!(
        out(&captured),
        "up\ntold\n",
        "what it says while ending is kept"
    );
}

#[test]
fn a_stop_right_after_the_start_is_not_lost() {
    let mut house = House::new();
    house.start(&house.line(1, "sleep 1000"));
    house.pool().stop(Fence(1), StopCause::Kill, 0);
    assert_eq!(house.ended(1).stop, Some(StopCause::Kill));
}

#[test]
fn slots_are_reused_and_no_run_makes_a_file() {
    let mut house = House::new();
    for fence in 1..=1200 {
        let line = format!("echo {fence}");
        let (report, captured) = house.run(&house.line(fence, &line));
        assert_eq!(report.exit, Exit::Code(0));
        assert_eq!(out(&captured), format!("{fence}\n"));
    }
    let mut files = Vec::new();
    for slot in fs::read_dir(house.slots()).unwrap().flatten() {
        assert_eq!(slot.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        for file in fs::read_dir(slot.path()).unwrap().flatten() {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0);
            files.push(file.file_name().into_string().unwrap());
        }
    }
    assert!(
        files.len() <= 15,
        "one at work, one ready, perhaps one that makes room for the next: {files:?}"
    );
}

#[test]
fn many_runs_at_once_end_each_with_its_own_code() {
    let mut house = House::new();
    for fence in 1..=60 {
        house.start(&house.line(fence, &format!("sleep 0.2; exit {fence}")));
    }
    for fence in 1..=60 {
        let exit = house.ended(fence).exit;
        assert_eq!(exit, Exit::Code(i32::try_from(fence).unwrap()));
    }
    assert_eq!(house.pool().counts().holding, 60);
    for fence in 1..=60 {
        house.pool().collected(Fence(fence));
    }
    assert_eq!(
        (house.pool().counts().holding, house.pool().counts().busy),
        (0, 0)
    );
}

#[test]
fn a_claim_is_given_once_and_a_full_house_says_so() {
    let mut house = House::new();
    let pool = house.pool.take().unwrap().with_slots(1);
    house.pool = Some(pool);
    let first = house.line(1, "exit 0");
    house.start(&first);
    assert!(matches!(
        house.pool().start(&first),
        Err(PoolError::Known(Fence(1)))
    ));
    let second = house.line(2, "exit 0");
    assert!(matches!(
        house.pool().start(&second),
        Err(PoolError::Full(1))
    ));
    house.ended(1);
    house.pool().collected(Fence(1));
    let (report, _) = house.run(&second);
    assert_eq!(report.exit, Exit::Code(0));
    let mut third = house.line(3, "exit 0");
    third.stdin = Some(Raw(vec![b'x'; 9 << 20]));
    assert!(matches!(
        house.pool().start(&third),
        Err(PoolError::Unsendable(_))
    ));
    assert_eq!(
        house.pool().counts().idle,
        1,
        "the worker is still there for another"
    );
}

#[test]
fn workers_that_die_at_birth_are_not_started_without_end() {
    let mut house = House::new();
    let births = house.dir.path().join("births");
    let program = house.dir.path().join("stillborn");
    fs::write(
        &program,
        format!("#!/bin/sh\necho born >> {}\n", births.display()),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    house.pool = house.pool.take().map(|pool| pool.with_program(&program));
    let order = house.line(1, "true");
    house.start(&order);
    assert_eq!(house.lost(1), "workers died before they could take it");
    let (wake, _waker) = rustix::pipe::pipe().unwrap();
    let end = mono() + 700;
    while mono() < end {
        let left = std::time::Duration::from_millis((end - mono()).max(0) as u64);
        house.pool().wait(wake.as_fd(), Some(left));
    }
    let count = fs::read_to_string(&births).unwrap().lines().count();
    assert!(count <= 8, "{count} workers were started in a second");
}
