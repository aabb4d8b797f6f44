//! What a job finds of itself: nothing of the daemon but what was given to it on purpose.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::facility;
use crate::support::instance::Instance;

/// What a program is asked for that looks at itself: no shell stands in between, which would have
/// open files and blocked signals of its own.
const LOOK: [&str; 5] = [
    "/bin/cat",
    "/proc/self/status",
    "/proc/self/limits",
    "/proc/self/oom_score_adj",
    "/proc/self/environ",
];

struct Seen {
    status: Vec<String>,
    limits: Vec<String>,
    oom: String,
    env: Vec<String>,
    files: Vec<String>,
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn own_limits() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/limits").unwrap();
    text.lines().skip(1).map(words).collect()
}

/// The lines of a status that say what a process may do and what it heeds.
fn rights(status: &str) -> Vec<String> {
    let names = ["Umask", "Uid", "Gid", "Groups", "NoNewPrivs"];
    let wanted = |line: &&str| {
        let name = line.split(':').next().unwrap();
        let of_rights = name.starts_with("Sig") || name.starts_with("Cap");
        (names.contains(&name) || of_rights) && !["SigQ", "CapBnd"].contains(&name)
    };
    status.lines().filter(wanted).map(words).collect()
}

/// What every job of user and group 65534 finds.
fn wanted_rights(groups: &str) -> Vec<String> {
    let four = |name: &str| format!("{name}: 65534 65534 65534 65534");
    let zero = |name: &str| format!("{name}: 0000000000000000");
    vec![
        "Umask: 0027".to_owned(),
        four("Uid"),
        four("Gid"),
        format!("Groups: {groups}").trim().to_owned(),
        zero("SigPnd"),
        zero("SigBlk"),
        // Two signals the C library keeps to itself; its posix_spawn leaves them so.
        "SigIgn: 0000000180000000".to_owned(),
        zero("SigCgt"),
        zero("CapInh"),
        zero("CapPrm"),
        zero("CapEff"),
        zero("CapAmb"),
        "NoNewPrivs: 0".to_owned(),
    ]
}

/// The variables with those whose values differ each time shortened to their names.
fn named(env: &[String]) -> Vec<String> {
    let varies = ["CRAKE_FENCE", "CRAKE_FIRE", "CRAKE_RUN", "CRAKE_SLOT"];
    let shorten = |entry: &String| {
        let name = entry.split('=').next().unwrap();
        match varies.contains(&name) {
            true => name.to_owned(),
            false => entry.clone(),
        }
    };
    let mut named: Vec<String> = env.iter().map(shorten).collect();
    named.sort();
    named
}

fn environment(rest: &[&str]) -> Vec<String> {
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let marks = ["CRAKE_FENCE", "CRAKE_FIRE", "CRAKE_RUN", "CRAKE_SLOT"];
    let known = [
        "CRAKE_ATTEMPT=1",
        "CRAKE_JOB=look",
        "CRAKE_ORIGIN=manual",
        path,
    ];
    let all = marks.iter().chain(&known).chain(rest);
    let mut all: Vec<String> = all.map(|entry| (*entry).to_owned()).collect();
    all.sort();
    all
}

fn look(instance: &Instance, flags: &[&str]) -> Seen {
    let output = |name: &str, command: &[&str]| {
        let head = ["add", name, "--cwd", "/usr", "--umask", "027"];
        instance
            .sandbox
            .ok(&[&head[..], flags, &["--"], command].concat());
        let row = instance.outcome(name);
        assert_eq!(row["outcome"], "succeeded", "{row}");
        instance.output(name)
    };
    let text = output("look", &LOOK);
    let (status, rest) = text.split_once("Limit  ").unwrap();
    let limits: Vec<&str> = rest.lines().skip(1).collect();
    let (last, limits) = limits.split_last().unwrap();
    let (oom, limits) = limits.split_last().unwrap();
    let list = output(
        "files",
        &["/bin/ls", "-l", "/proc/self/fd", "/proc/self/cwd"],
    );
    let link = |line: &str| {
        let (_, link) = line.split_once(" -> ")?;
        let name = line.split(" -> ").next()?.rsplit(' ').next()?;
        let link = link.split('[').next()?;
        let link = if link.ends_with("/fd") {
            "itself"
        } else {
            link
        };
        Some(format!("{name} {link}"))
    };
    let mut files: Vec<String> = list.lines().filter_map(link).collect();
    files.sort();
    Seen {
        status: rights(status),
        limits: limits.iter().map(|line| words(line)).collect(),
        oom: (*oom).to_owned(),
        env: last.split_terminator('\0').map(str::to_owned).collect(),
        files,
    }
}

/// The three standard files, the directory `ls` lists, and where it was started.
const FILES: [&str; 5] = [
    "/proc/self/cwd /usr",
    "0 /dev/null",
    "1 pipe:",
    "2 pipe:",
    "3 itself",
];

const LOGIN: [&str; 4] = [
    "HOME=/nonexistent",
    "LOGNAME=nobody",
    "SHELL=/usr/sbin/nologin",
    "USER=nobody",
];

#[test]
fn a_job_of_another_user_has_nothing_of_root() {
    if !facility::root() {
        return;
    }
    let instance = Instance::running();
    let seen = look(&instance, &["--user", "nobody"]);
    assert_eq!(seen.status, wanted_rights("65534"));
    assert_eq!(named(&seen.env), environment(&LOGIN));
    assert_eq!(seen.limits, own_limits());
    assert_eq!(
        (seen.oom.as_str(), &seen.files[..]),
        ("0", &FILES.map(str::to_owned)[..])
    );
}

#[test]
fn a_job_of_an_ordinary_daemon_has_its_rights_and_nothing_else_of_it() {
    if !facility::root() {
        return;
    }
    let instance = Instance::of_nobody();
    let seen = look(&instance, &[]);
    assert_eq!(seen.status, wanted_rights(""));
    let home = LOGIN.map(|entry| entry.replace("/usr/sbin/nologin", "/bin/sh"));
    let home: Vec<&str> = home.iter().map(String::as_str).collect();
    assert_eq!(named(&seen.env), environment(&home));
    assert_eq!(seen.limits, own_limits());
    assert_eq!(
        (seen.oom.as_str(), &seen.files[..]),
        ("0", &FILES.map(str::to_owned)[..])
    );
}

/// Starts a daemon with files open, signals ignored and blocked, no mask of files and a secret.
const UNTIDY: &str = "use POSIX (); $^F = 255; open my $leak, '<', '/etc/hosts'; umask 0; \
  $SIG{$_} = 'IGNORE' for qw(USR2 WINCH NUM40 NUM60 CHLD PIPE); \
  my $all = POSIX::SigSet->new; $all->fillset; POSIX::sigprocmask(POSIX::SIG_BLOCK(), $all); \
  $ENV{SECRET} = 'word'; exec @ARGV";

#[test]
fn nothing_of_what_the_daemon_was_started_with_reaches_a_job() {
    if !facility::program("/usr/bin/perl") {
        return;
    }
    let mut instance = Instance::new();
    let plain = instance.daemon_command();
    let mut command = Command::new("/usr/bin/perl");
    command.args(["-e", UNTIDY]);
    command.arg(plain.get_program()).args(plain.get_args());
    command
        .env_clear()
        .current_dir(plain.get_current_dir().unwrap());
    command.envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    instance.start_by(command);
    // A plain job, and one with a stage before it.
    for flags in [&[][..], &["--nice", "1"]] {
        let seen = look(&instance, &[flags, &["--replace"]].concat());
        let of_signals = |line: &&String| line.starts_with("Sig") || line.starts_with("Umask");
        let wanted = wanted_rights("");
        let wanted: Vec<&String> = wanted.iter().filter(of_signals).collect();
        let found: Vec<&String> = seen.status.iter().filter(of_signals).collect();
        assert_eq!(found, wanted);
        assert_eq!(seen.files, FILES);
        assert!(
            !seen.env.iter().any(|e| e.contains("SECRET")),
            "{:?}",
            seen.env
        );
    }
}

#[test]
fn a_job_of_root_is_not_shielded_from_the_want_of_memory_as_its_daemon_is() {
    // Not every root may: a container can take that right away.
    let may = std::process::Command::new("sh")
        .args(["-c", "echo -900 >/proc/self/oom_score_adj"])
        .status();
    if !facility::permitted("right to lower oom_score_adj", may.unwrap().success()) {
        return;
    }
    let instance = Instance::running();
    let core = instance.core().unwrap();
    let adj = fs::read_to_string(format!("/proc/{core}/oom_score_adj")).unwrap();
    assert_eq!(adj.trim(), "-900");
    assert_eq!(look(&instance, &[]).oom, "0");
}

#[test]
fn limits_of_the_kernel_and_priorities_are_those_asked_for() {
    let instance = Instance::of_nobody();
    let flags = [
        "--nice",
        "7",
        "--ionice",
        "idle",
        "--cpu-max",
        "90s",
        "--memory-max",
        "512M",
        "--processes-max",
        "40",
    ];
    let seen = look(&instance, &flags);
    let line = |name: &str| {
        let found = seen.limits.iter().find(|l| l.starts_with(name)).unwrap();
        found.clone()
    };
    assert_eq!(line("Max cpu time"), "Max cpu time 95 100 seconds");
    // Twice the memory of the tree, for there is no group here that limits it.
    let data = 1_u64 << 30;
    assert_eq!(
        line("Max data size"),
        format!("Max data size {data} {data} bytes")
    );
    let most: u64 = line("Max processes")
        .split(' ')
        .nth(2)
        .unwrap()
        .parse()
        .unwrap();
    assert!((40..1_000).contains(&most), "{most}");
    instance.add(
        "nice",
        "nice; ionice -p $$",
        &["--nice", "7", "--ionice", "idle"],
    );
    instance.outcome("nice");
    assert_eq!(instance.output("nice"), "7\nidle\n");
}
