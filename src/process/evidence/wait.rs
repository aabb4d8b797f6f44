//! What a process waits for, from its system call and the kernel's function it sleeps in.

use crate::model::{Wait, WaitFor};
use crate::process::evidence::call::Call;
use crate::process::evidence::peer::{link_of, links_of, peer_of, socket_of, watched_by};

/// `F_SETLKW` and `F_OFD_SETLKW`: the commands of fcntl(2) that wait for a lock.
const LOCK_AND_WAIT: [u64; 2] = [7, 38];
/// The longest name of a thing that is kept.
const LONGEST: usize = 200;
/// Ends of connections that are named.
const NAMED: usize = 2;

/// What kind of thing a call waits for. Cheap: no file of the process is looked at, so a pipe counts
/// as something outside here; see [`named`].
pub(in crate::process) fn kind(call: Option<&Call>, wchan: Option<&str>) -> Option<WaitFor> {
    let Some((name, call)) = call.and_then(|c| Some((c.name?, c))) else {
        return wchan.and_then(by_wchan);
    };
    Some(match name {
        "wait4" | "waitid" | "vfork" | "clone" => WaitFor::Child,
        "nanosleep" | "pause" | "sigsuspend" | "sigtimedwait" => WaitFor::Time,
        "poll" if call.args[1] == 0 => WaitFor::Time,
        "select" if call.args[0] == 0 => WaitFor::Time,
        "futex" | "semop" | "msgrcv" => WaitFor::Inside,
        "fcntl" if !LOCK_AND_WAIT.contains(&call.args[1]) => return None,
        _ => WaitFor::Outside,
    })
}

fn by_wchan(wchan: &str) -> Option<WaitFor> {
    let has = |words: &[&str]| words.iter().any(|word| wchan.contains(word));
    if has(&["nanosleep", "sigsuspend", "sigtimedwait", "pause"]) {
        Some(WaitFor::Time)
    } else if has(&["do_wait", "wait4", "waitid"]) {
        Some(WaitFor::Child)
    } else if has(&["pipe_", "futex", "msg", "semtimedop"]) {
        Some(WaitFor::Inside)
    } else if has(&[
        "sk_",
        "skb_",
        "wait_woken",
        "unix_",
        "tcp_",
        "accept",
        "poll",
        "select",
        "n_tty",
        "flock",
        "locks_lock",
        "posix_lock",
        "fifo",
    ]) {
        Some(WaitFor::Outside)
    } else {
        None
    }
}

/// The wait with what it concerns: the peer of a socket, the path of a file. `kind` is what
/// [`kind`] said.
pub(in crate::process) fn named(
    pid: i32,
    kind: WaitFor,
    call: Option<&Call>,
    wchan: Option<&str>,
) -> Wait {
    let known = call.and_then(|c| Some((c.name?, c)));
    let Some((name, call)) = known else {
        return Wait {
            on: kind,
            call: wchan.unwrap_or("-").to_owned(),
            object: None,
        };
    };
    let (on, object) = match (kind, name) {
        (WaitFor::Outside, "poll" | "select") => polled(pid, &links_of(pid)),
        (WaitFor::Outside, "epoll_wait") => {
            let watched = watched_by(pid, call.args[0]).into_iter();
            let links: Vec<String> = watched.filter_map(|fd| link_of(pid, fd)).collect();
            polled(pid, &links)
        }
        (WaitFor::Outside, "open" | "io_uring_enter" | "io_getevents") => (kind, None),
        (WaitFor::Outside, _) => one(pid, call.args[0]),
        _ => (kind, None),
    };
    Wait {
        on,
        call: name.to_owned(),
        object: object.map(|o| o.chars().take(LONGEST).collect()),
    }
}

fn one(pid: i32, fd: u64) -> (WaitFor, Option<String>) {
    let Some(link) = link_of(pid, fd) else {
        return (WaitFor::Outside, None);
    };
    if let Some(socket) = socket_of(&link) {
        let peer = peer_of(pid, socket).unwrap_or_else(|| "a socket".to_owned());
        return (WaitFor::Outside, Some(peer));
    }
    // Both ends of a pipe without a name belong to the tree, as far as can be told.
    let inside = link.starts_with("pipe:") || link.starts_with("anon_inode:[event");
    let on = if inside {
        WaitFor::Inside
    } else {
        WaitFor::Outside
    };
    (on, Some(link))
}

// Which of its files a process polls stands in its memory, which is not read: a page may be on a
// disk that does not answer. Its connections are named instead.
fn polled(pid: i32, links: &[String]) -> (WaitFor, Option<String>) {
    let peers: Vec<String> = links
        .iter()
        .filter_map(|link| peer_of(pid, socket_of(link)?))
        .take(NAMED + 1)
        .collect();
    let from_outside = |l: &String| l.starts_with("/dev/pts/") || l == "anon_inode:inotify";
    match peers.as_slice() {
        [] => match links.iter().find(|link| from_outside(link)) {
            Some(link) => (WaitFor::Outside, Some(link.clone())),
            None => (WaitFor::Inside, None),
        },
        few if few.len() <= NAMED => (WaitFor::Outside, Some(few.join(", "))),
        many => (
            WaitFor::Outside,
            Some(format!("{} and others", many[..NAMED].join(", "))),
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::WaitFor;
    use crate::process::evidence::call::Call;
    use crate::process::evidence::wait::kind;

    #[test]
    fn calls_and_functions_of_the_kernel_say_what_is_waited_for() {
        let call = |name, args| Call {
            number: 0,
            name: Some(name),
            args,
        };
        let zero = [0; 6];
        for (call, expected) in [
            (call("recv", zero), Some(WaitFor::Outside)),
            (call("poll", zero), Some(WaitFor::Time)),
            (call("poll", [1, 1, 0, 0, 0, 0]), Some(WaitFor::Outside)),
            (call("wait4", zero), Some(WaitFor::Child)),
            (call("futex", zero), Some(WaitFor::Inside)),
            (call("fcntl", [3, 7, 0, 0, 0, 0]), Some(WaitFor::Outside)),
            (call("fcntl", [3, 1, 0, 0, 0, 0]), None),
        ] {
            assert_eq!(kind(Some(&call), Some("do_wait")), expected, "{call:?}");
        }
        for (wchan, expected) in [
            ("hrtimer_nanosleep", Some(WaitFor::Time)),
            ("do_wait", Some(WaitFor::Child)),
            ("anon_pipe_read", Some(WaitFor::Inside)),
            ("wait_woken", Some(WaitFor::Outside)),
            ("something_new", None),
        ] {
            assert_eq!(kind(None, Some(wchan)), expected, "{wchan}");
        }
        assert_eq!(kind(None, None), None);
    }
}
