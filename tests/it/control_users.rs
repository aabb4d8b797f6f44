//! Users beside root at a system instance: their own jobs through the socket, and nothing of others.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crake::control::{ControlError, Petition, Reply, Request, ask};
use crake::model::RunId;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::facility;
use crate::support::instance::Instance;
use crate::support::sandbox::{Answer, NOBODY};
use crate::support::wait::until;

/// The number of the user `daemon` on the hosts tests are run on.
const DAEMON: u32 = 1;

/// An instance of root that serves other users, with a job of each: `of-nobody`, `of-daemon` and
/// `of-root`.
fn system() -> Instance {
    // Everybody may pass, and nobody may look or open.
    let mut instance = passable(0o711);
    let mut daemon = instance.daemon_command();
    daemon.arg("--for-users");
    instance.start_by(daemon);
    define(
        &instance,
        "of-nobody",
        "id -un; id -u",
        &["--user", "nobody"],
    );
    define(
        &instance,
        "of-daemon",
        "echo secret of daemon",
        &["--user", "daemon"],
    );
    define(&instance, "of-root", "echo secret of root", &[]);
    instance
}

fn passable(home: u32) -> Instance {
    let instance = Instance::new();
    for (name, mode) in [("", 0o755), ("home", home)] {
        let path = instance.sandbox.path(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    instance
}

fn define(instance: &Instance, name: &str, line: &str, flags: &[&str]) {
    let args = [&["add", name, "-c", line, "--cwd", "/"], flags].concat();
    instance.sandbox.ok(&args);
}

fn by(instance: &Instance, user: u32, args: &[&str]) -> Answer {
    let output = instance.sandbox.command_of(user).args(args).output();
    Answer::of(output.unwrap())
}

#[track_caller]
fn items(instance: &Instance, user: u32, args: &[&str]) -> Vec<Value> {
    let answer = by(instance, user, &[args, &["--json"]].concat());
    assert_eq!(answer.code, 0, "{args:?}: {answer:?}");
    answer.json()["items"].as_array().unwrap().clone()
}

fn jobs_of(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item.get("name").or(item.get("job")).unwrap())
        .map(|name| name.as_str().unwrap())
        .collect()
}

/// Sends a petition as another user. Credentials belong to a thread; this one ends with them.
fn petition(instance: &Instance, user: u32, petition: Petition) -> Reply {
    let socket = instance.sandbox.path("home/crake.sock");
    let thread = std::thread::spawn(move || -> Result<Reply, ControlError> {
        let user = rustix::process::Uid::from_raw(user);
        rustix::thread::set_thread_res_uid(user, user, user).unwrap();
        ask(&socket, &Request::Petition(petition))
    });
    thread.join().unwrap().unwrap()
}

#[test]
fn a_user_works_with_jobs_of_their_own_through_the_socket() {
    if !facility::root() {
        return;
    }
    let instance = system();
    let listed = items(&instance, NOBODY, &["list"]);
    assert_eq!(jobs_of(&listed), ["of-nobody"]);
    let roots = instance.sandbox.items(&["list"]);
    assert_eq!(
        listed[0],
        roots
            .into_iter()
            .find(|i| i["name"] == "of-nobody")
            .unwrap()
    );
    let ran = by(&instance, NOBODY, &["run", "of-nobody"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "nobody\n65534\n"),
        "{ran:?}"
    );
    let history = items(&instance, NOBODY, &["history"]);
    assert_eq!(history, instance.sandbox.items(&["history"]));
    assert_eq!(jobs_of(&history), ["of-nobody"]);
    let logs = by(&instance, NOBODY, &["logs", "of-nobody"]);
    assert_eq!(logs.stdout, "nobody\n65534\n", "{logs:?}");
    for args in [
        &["show", "of-nobody"][..],
        &["show", "of-nobody", "--history"],
    ] {
        let theirs = by(&instance, NOBODY, args);
        assert_eq!(theirs.stdout, instance.sandbox.ok(args).stdout);
    }
    define(&instance, "code", "exit $N", &["--user", "nobody"]);
    let coded = by(&instance, NOBODY, &["run", "code", "--env", "N=7"]);
    assert_eq!(coded.code, 7, "{coded:?}");
    let asked: Option<String> = instance.cell("SELECT requested_by FROM run WHERE job = 'code'");
    assert_eq!(asked.as_deref(), Some("nobody"));
}

#[test]
fn a_user_ends_and_takes_back_runs_of_their_own() {
    if !facility::root() {
        return;
    }
    let instance = system();
    let flags = ["--user", "nobody", "--overlap", "queue"];
    define(&instance, "long", "echo up; exec sleep 1000", &flags);
    let first = by(&instance, NOBODY, &["run", "-d", "long"]).stdout;
    let first = first.trim().to_owned();
    until("it wrote", || {
        let logs = by(&instance, NOBODY, &["logs", &first]);
        (logs.stdout == "up\n").then_some(())
    });
    let second = by(&instance, NOBODY, &["run", "-d", "long"]).stdout;
    let second = second.trim().to_owned();
    let alive = items(&instance, NOBODY, &["ps"]);
    let states: Vec<&str> = alive.iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["running", "queued"]);
    let seen = by(&instance, NOBODY, &["ps"]).stdout;
    assert!(!seen.contains("LOST"), "{seen}");
    let refused = by(&instance, NOBODY, &["cancel", &first]);
    assert_eq!(refused.code, 5, "{refused:?}");
    let back = by(&instance, NOBODY, &["cancel", &second]);
    assert_eq!(back.code, 0, "{back:?}");
    let killed = by(&instance, NOBODY, &["kill", "long"]);
    assert_eq!(killed.code, 0, "{killed:?}");
    let history = items(&instance, NOBODY, &["history", "long"]);
    let states: Vec<&str> = history
        .iter()
        .map(|r| r["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["cancelled", "killed"]);
}

#[test]
fn a_user_learns_nothing_of_the_jobs_of_others() {
    if !facility::root() {
        return;
    }
    let instance = system();
    define(
        &instance,
        "waits",
        "echo up; exec sleep 1000",
        &["--user", "daemon"],
    );
    instance.sandbox.ok(&["run", "of-root"]);
    instance.sandbox.ok(&["run", "of-daemon"]);
    let alive = instance.request("waits");
    instance.until_sql(
        "EXISTS(SELECT 1 FROM attempt a JOIN run r ON r.id = a.run
        WHERE r.job = 'waits' AND a.pid IS NOT NULL)",
    );
    assert_eq!(jobs_of(&items(&instance, NOBODY, &["list"])), ["of-nobody"]);
    assert_eq!(
        jobs_of(&items(&instance, DAEMON, &["list"])),
        ["of-daemon", "waits"]
    );
    assert!(items(&instance, NOBODY, &["history"]).is_empty());
    assert!(items(&instance, NOBODY, &["ps", "--all"]).is_empty());
    // A job of somebody else and one that does not exist are told alike.
    for verb in ["show", "run", "history", "logs", "kill", "cancel"] {
        let none = by(&instance, NOBODY, &[verb, "nosuchjob"]);
        assert_eq!(none.code, 3, "{verb}: {none:?}");
        for other in ["of-daemon", "of-root", "waits"] {
            let answer = by(&instance, NOBODY, &[verb, other]);
            let told = |a: &Answer, name: &str| {
                (
                    a.code,
                    format!("{}{}", a.stdout, a.stderr).replace(name, "X"),
                )
            };
            assert_eq!(told(&answer, other), told(&none, "nosuchjob"), "{verb}");
        }
    }
    numbers_of_others_are_told_as_unknown(&instance);
    petitions_for_others_find_nothing(&instance);
    assert_eq!(
        instance.cell::<i64>("SELECT count(*) FROM run WHERE cancel_at IS NOT NULL"),
        Some(0)
    );
    let count: Option<i64> = instance.cell("SELECT count(*) FROM run");
    assert_eq!((count, alive), (Some(3), 3), "nothing more was asked for");
}

fn numbers_of_others_are_told_as_unknown(instance: &Instance) {
    for (run, unknown) in [("1", "98"), ("2", "98"), ("3", "98")] {
        for verb in ["logs", "kill", "cancel"] {
            let (answer, none) = (
                by(instance, NOBODY, &[verb, run]),
                by(instance, NOBODY, &[verb, unknown]),
            );
            assert_eq!((answer.code, none.code), (3, 3), "{verb} {run}: {answer:?}");
            assert_eq!(
                answer.stderr.replace(run, ""),
                none.stderr.replace(unknown, "")
            );
        }
    }
}

/// Nor does whoever speaks to the socket without our program learn anything.
fn petitions_for_others_find_nothing(instance: &Instance) {
    for run in 1..=3 {
        let run = RunId(run);
        for asked in [
            Petition::Kill { runs: vec![run] },
            Petition::Cancel { runs: vec![run] },
            Petition::Output {
                run,
                attempt: 1,
                from: 0,
            },
        ] {
            assert_eq!(
                petition(instance, NOBODY, asked.clone()),
                Reply::NotFound,
                "{asked:?}"
            );
        }
        assert_nothing(petition(instance, NOBODY, Petition::Look { run }));
    }
    for job in ["of-daemon", "of-root"] {
        let job = job.to_owned();
        let run = Petition::Run {
            job: job.clone(),
            env: Vec::new(),
        };
        assert_eq!(petition(instance, NOBODY, run), Reply::NotFound);
        let (states, with_jobs) = (Vec::new(), true);
        let runs = Petition::Runs {
            job: Some(job.clone()),
            states,
            since: None,
            before: None,
            limit: 9,
            with_jobs,
        };
        assert_nothing(petition(instance, NOBODY, runs));
        assert_nothing(petition(
            instance,
            NOBODY,
            Petition::Show { job, history: true },
        ));
    }
}

#[track_caller]
fn assert_nothing(reply: Reply) {
    let Reply::Rows { rows, more, .. } = reply else {
        panic!("{reply:?}");
    };
    assert_eq!((rows, more), (json!([]), None));
}

#[test]
fn runs_from_the_time_when_a_job_was_another_users_stay_theirs() {
    if !facility::root() {
        return;
    }
    let instance = system();
    instance.sandbox.ok(&["run", "of-daemon"]);
    define(
        &instance,
        "of-daemon",
        "id -un",
        &["--user", "nobody", "--replace"],
    );
    assert!(items(&instance, NOBODY, &["history"]).is_empty());
    assert_eq!(by(&instance, NOBODY, &["logs", "1"]).code, 3);
    let shown = by(
        &instance,
        NOBODY,
        &["show", "of-daemon", "--history", "--json"],
    )
    .stdout;
    assert!(!shown.contains("secret"), "{shown}");
    assert_eq!(
        by(&instance, NOBODY, &["run", "of-daemon"]).stdout,
        "nobody\n"
    );
    let history = items(&instance, NOBODY, &["history"]);
    assert_eq!((history.len(), &history[0]["run"]), (1, &json!(2)));
    assert!(items(&instance, DAEMON, &["history"]).is_empty());
}

#[test]
fn what_is_not_for_other_users_is_denied_and_says_what_is() {
    if !facility::root() {
        return;
    }
    let instance = system();
    for verb in ["pause", "fires", "audit", "edit", "rm", "events"] {
        let args = match verb {
            "fires" | "audit" | "events" => vec![verb],
            _ => vec![verb, "of-nobody"],
        };
        let answer = by(&instance, NOBODY, &args);
        assert_eq!(answer.code, 7, "{verb}: {answer:?}");
        assert!(
            answer.stderr.contains("other users have list"),
            "{verb}: {answer:?}"
        );
    }
    // An instance that is not for other users has nothing to say to them at all.
    let mut own = passable(0o755);
    own.start();
    define(&own, "of-nobody", "true", &["--user", "nobody"]);
    for args in [&["list"][..], &["run", "of-nobody"], &["kill", "1"]] {
        let answer = by(&own, NOBODY, args);
        assert_eq!(answer.code, 7, "{args:?}: {answer:?}");
        assert_eq!(answer.stdout, "");
    }
}

#[test]
fn long_output_comes_whole_through_the_socket() {
    if !facility::root() {
        return;
    }
    let instance = system();
    let line = "seq 1 150000; echo late >&2; exit 3";
    define(
        &instance,
        "writes",
        line,
        &["--user", "nobody", "--output-max", "2M"],
    );
    let followed = by(&instance, NOBODY, &["run", "writes"]);
    assert_eq!(followed.code, 3, "{}", followed.stderr);
    let kept = instance.output("writes");
    assert!(kept.len() > 900_000 && kept.ends_with("150000\nlate\n"));
    assert_eq!(by(&instance, NOBODY, &["logs", "writes"]).stdout, kept);
    let tail = by(
        &instance,
        NOBODY,
        &["logs", "writes", "-n", "2", "--stream", "out"],
    );
    assert_eq!(tail.stdout, "149999\n150000\n");
}

#[test]
fn a_locked_store_keeps_petitions_waiting_and_not_the_socket() {
    if !facility::root() {
        return;
    }
    let instance = system();
    let holder = Connection::open(instance.sandbox.store()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let socket = instance.sandbox.path("home/crake.sock");
    let asked: Vec<_> = (0..4)
        .map(|_| {
            let mut command = instance.sandbox.command_of(NOBODY);
            command.args(["run", "-d", "of-nobody"]);
            let piped = std::process::Stdio::piped;
            command.stdout(piped()).stderr(piped()).spawn().unwrap()
        })
        .collect();
    for child in asked {
        let alive = ask(&socket, &Request::Ping);
        assert!(matches!(alive, Ok(Reply::Alive(_))), "{alive:?}");
        let answer = Answer::of(child.wait_with_output().unwrap());
        assert!(answer.stderr.contains("locked"), "{answer:?}");
        assert_eq!(answer.code, 5, "{answer:?}");
    }
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(by(&instance, NOBODY, &["run", "of-nobody"]).code, 0);
}
