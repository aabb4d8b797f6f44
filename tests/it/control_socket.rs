//! The daemon's socket against clients that mean no good, and who may ask what.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};

use crake::control::{Alive, Door, Peer, Reply, Request, Server, Watched, ask, read_request};
use crake::model::{Trouble, TroubleKind};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::support::bench::Bench;
use crate::support::instance::{Instance, end_of};
use crate::support::wait::until;

fn answers(bench: &Bench) -> bool {
    matches!(
        ask(&bench.paths().socket, &Request::Ping),
        Ok(Reply::Alive(_))
    )
}

/// Says bytes and gives the line that comes back; nothing where the other side hangs up.
fn say(bench: &Bench, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(bench.paths().socket).unwrap();
    // A server that has heard enough hangs up in the middle of it.
    let _ = stream.write_all(bytes);
    let mut line = String::new();
    let _ = BufReader::new(stream).read_line(&mut line);
    line
}

fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "CI runs as root: {what}");
        eprintln!("SKIPPED: {what} needs root");
    }
    root
}

#[test]
fn clients_that_talk_nonsense_are_told_so_and_hurt_nobody() {
    let bench = Bench::new();
    bench.daemon(|_| ());
    for nonsense in [
        &b"\n"[..],
        b"hello\n",
        b"{\"ping\":1}\n",
        b"\"restart\"\n",
        b"\xff\xfe\x00\n",
        b"[[[[[[[[[[\n",
    ] {
        let said = say(&bench, nonsense);
        assert!(said.contains("refused"), "{nonsense:?}: {said}");
    }
    let deep = [vec![b'['; 60_000], b"\n".to_vec()].concat();
    assert!(say(&bench, &deep).contains("refused"));
    let huge = vec![b'x'; 1 << 20];
    say(&bench, &huge);
    assert!(answers(&bench));
}

#[test]
fn slow_half_closed_and_silent_clients_keep_nobody_waiting() {
    let bench = Bench::new();
    bench.daemon(|_| ());
    let socket = bench.paths().socket;
    let mut slow: Vec<UnixStream> = Vec::new();
    for _ in 0..40 {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(b"\"pi").unwrap();
        slow.push(stream);
    }
    assert!(answers(&bench), "beside slow ones");
    let mut last = slow.pop().unwrap();
    last.write_all(b"ng\"\n").unwrap();
    let mut line = String::new();
    BufReader::new(&last).read_line(&mut line).unwrap();
    assert!(line.contains("alive"), "a slow one is answered: {line}");
    let half = UnixStream::connect(&socket).unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    (&half).read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "half a client is hung up on");
    // One that takes no answer, and one that asks and goes away.
    let mut deaf = UnixStream::connect(&socket).unwrap();
    deaf.write_all(b"\"ping\"\n").unwrap();
    drop(deaf);
    assert!(answers(&bench));
}

#[test]
fn five_thousand_idle_clients_are_no_reason_not_to_answer() {
    let bench = Bench::new();
    bench.daemon(|_| ());
    let socket = bench.paths().socket;
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(1 << 20);
    let most_of_ours = usize::try_from(most.saturating_sub(1_000)).unwrap();
    let more = Rlimit {
        current: Some(most),
        ..limit
    };
    // Other tests of this process need descriptors as well, and do not mind that there are more.
    prlimit(None, Resource::Nofile, more).unwrap();
    let mut idle = std::collections::VecDeque::new();
    for n in 0..5_000 {
        idle.push_back(UnixStream::connect(&socket).unwrap());
        if idle.len() > most_of_ours {
            idle.pop_front();
        }
        if n % 500 == 0 {
            assert!(answers(&bench), "beside {n}");
        }
    }
    println!("{} idle clients at once", idle.len());
    assert!(answers(&bench));
}

#[test]
fn a_daemon_short_of_descriptors_goes_on_firing() {
    let mut instance = Instance::running();
    instance.add("tick", "true", &["-s", "every 1s"]);
    instance.succeeded("tick", 1);
    let core = Pid::from_raw(instance.core().unwrap()).unwrap();
    let few = Rlimit {
        current: Some(64),
        maximum: Some(64),
    };
    prlimit(Some(core), Resource::Nofile, few).unwrap();
    let socket = instance.sandbox.path("home/crake.sock");
    let crowd: Vec<UnixStream> = (0..200)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    let done: i64 = instance.cell("SELECT count(*) FROM run").unwrap();
    instance.succeeded("tick", done + 2);
    assert!(instance.core().is_some(), "it answers beside a crowd");
    drop(crowd);
    instance.stop_and_audit();
}

#[test]
fn only_the_owner_and_root_may_do_everything() {
    let door = Door { owner: 1000 };
    let (owner, root, other) = (Peer { uid: 1000 }, Peer { uid: 0 }, Peer { uid: 1001 });
    for peer in [owner, root] {
        assert!(door.admits(peer, &Request::Ping));
        assert!(door.admits(peer, &Request::Nudge));
    }
    assert!(door.admits(other, &Request::Ping));
    assert!(!door.admits(other, &Request::Nudge));
    let trouble = Trouble {
        kind: TroubleKind::Locked,
        since: 1,
        text: "/home/ana/crake.db is locked".to_owned(),
        holder: None,
        waiting: 0,
    };
    let alive = Alive {
        pid: 7,
        version: "1".to_owned(),
        since: 5,
        beat_age_ms: 3,
        degraded: Some("/home/ana/crake.db is locked".to_owned()),
        trouble: Some(Box::new(trouble)),
        armed: 9,
        live: 2,
        watched: Watched {
            ending: Some("by signal 9".to_owned()),
            refused: Some("/home/ana/bin".to_owned()),
            ..Watched::default()
        },
    };
    let whole = Reply::Alive(alive.clone());
    assert_eq!(door.veil(owner, whole.clone()), whole);
    let Reply::Alive(veiled) = door.veil(other, whole) else {
        panic!("another reply");
    };
    let said = serde_json::to_string(&veiled).unwrap();
    assert!(!said.contains("ana") && !said.contains("signal"), "{said}");
    assert_eq!((veiled.armed, veiled.live), (0, 0));
    assert!(
        veiled.degraded.is_some(),
        "that it is degraded everybody may know"
    );
}

#[test]
fn the_kernel_says_who_asks() {
    if !is_root("asking as another user") {
        return;
    }
    let bench = Bench::new();
    let paths = bench.paths();
    fs::set_permissions(&paths.home, fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::bind_for(&paths.socket, true).unwrap();
    bench.serve(server);
    let socket = paths.socket.clone();
    // Credentials belong to a thread as far as the kernel is concerned; this one ends with them.
    let said = std::thread::spawn(move || {
        let nobody = rustix::process::Uid::from_raw(65_534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        let ping = ask(&socket, &Request::Ping);
        (ping, ask(&socket, &Request::Nudge))
    });
    let (ping, nudge) = said.join().unwrap();
    assert!(matches!(ping, Ok(Reply::Alive(_))), "{ping:?}");
    assert!(matches!(nudge, Ok(Reply::Denied)), "{nudge:?}");
    assert!(matches!(
        ask(&paths.socket, &Request::Nudge),
        Ok(Reply::Done)
    ));
}

#[test]
fn what_a_dead_daemon_left_is_taken_over() {
    let mut instance = Instance::new();
    instance.add("tick", "true", &[]);
    instance.sandbox.file("home/spool/lock", b"1\n");
    drop(UnixListener::bind(instance.sandbox.path("home/crake.sock")).unwrap());
    instance.start();
    assert_eq!(instance.stop(), 0);
}

/// What a daemon says that cannot listen.
fn refusal(instance: &Instance) -> String {
    let mut daemon = instance.daemon_command().spawn().unwrap();
    let code = end_of(&mut daemon);
    let words = instance.lines("daemon.err").join("\n");
    assert!(matches!(code, 1 | 5 | 7), "{code}: {words}");
    words
}

#[test]
fn what_is_in_the_way_of_the_socket_and_no_socket_stays() {
    let instance = Instance::new();
    let file = instance.sandbox.file("home/crake.sock", b"mine");
    let words = refusal(&instance);
    assert!(words.contains("is no socket"), "{words}");
    assert_eq!(fs::read(file).unwrap(), b"mine");
}

#[test]
fn a_socket_somebody_listens_on_is_not_taken_away() {
    let instance = Instance::new();
    fs::create_dir_all(instance.sandbox.path("home")).unwrap();
    let socket = instance.sandbox.path("home/crake.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let words = refusal(&instance);
    assert!(words.contains("another daemon listens"), "{words}");
    assert!(socket.exists());
}

#[test]
fn a_socket_of_another_user_is_refused() {
    if !is_root("a file of another user") {
        return;
    }
    let instance = Instance::new();
    fs::create_dir_all(instance.sandbox.path("home")).unwrap();
    let socket = instance.sandbox.path("home/crake.sock");
    drop(UnixListener::bind(&socket).unwrap());
    chown(&socket, Some(65_534), None).unwrap();
    let words = refusal(&instance);
    assert!(words.contains("belongs to another user"), "{words}");
    until("it is left alone", || socket.exists().then_some(()));
}

proptest! {
    #[test]
    fn whatever_is_said_is_a_request_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(request) = read_request(&bytes) {
            let again = serde_json::to_vec(&request).unwrap();
            prop_assert_eq!(read_request(&again), Ok(request));
        }
    }

    #[test]
    fn what_is_nearly_a_request_is_read_without_a_panic(at in 0..6_usize, byte in any::<u8>()) {
        let mut line = b"\"ping\"".to_vec();
        line[at] = byte;
        let read = read_request(&line);
        prop_assert!(read.is_err() || line == b"\"ping\"");
    }
}
