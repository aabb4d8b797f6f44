//! Which system call a process is in: `/proc/PID/task/TID/syscall`.

use std::fs;

/// A system call that has not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::process) struct Call {
    /// Its number on this machine.
    pub number: i64,
    /// Its name, where it is one of those a job may wait in for long.
    pub name: Option<&'static str>,
    /// Its arguments.
    pub args: [u64; 6],
}

/// Numbers are those of the kernel's `syscall_64.tbl`.
#[cfg(target_arch = "x86_64")]
const CALLS: &[(i64, &str)] = &[
    (0, "read"),
    (1, "write"),
    (2, "open"),
    (3, "close"),
    (7, "poll"),
    (16, "ioctl"),
    (17, "read"),
    (18, "write"),
    (19, "read"),
    (20, "write"),
    (23, "select"),
    (34, "pause"),
    (35, "nanosleep"),
    (40, "sendfile"),
    (42, "connect"),
    (43, "accept"),
    (44, "send"),
    (45, "recv"),
    (46, "send"),
    (47, "recv"),
    (56, "clone"),
    (58, "vfork"),
    (61, "wait4"),
    (65, "semop"),
    (70, "msgrcv"),
    (72, "fcntl"),
    (73, "flock"),
    (74, "fsync"),
    (75, "fdatasync"),
    (128, "sigtimedwait"),
    (130, "sigsuspend"),
    (202, "futex"),
    (208, "io_getevents"),
    (220, "semop"),
    (230, "nanosleep"),
    (232, "epoll_wait"),
    (247, "waitid"),
    (257, "open"),
    (270, "select"),
    (271, "poll"),
    (281, "epoll_wait"),
    (288, "accept"),
    (299, "recv"),
    (307, "send"),
    (426, "io_uring_enter"),
    (435, "clone"),
    (441, "epoll_wait"),
    (449, "futex"),
    (455, "futex"),
];

/// Numbers are those of the kernel's `asm-generic/unistd.h`.
#[cfg(target_arch = "aarch64")]
const CALLS: &[(i64, &str)] = &[
    (4, "io_getevents"),
    (22, "epoll_wait"),
    (25, "fcntl"),
    (29, "ioctl"),
    (32, "flock"),
    (56, "open"),
    (57, "close"),
    (63, "read"),
    (64, "write"),
    (65, "read"),
    (66, "write"),
    (67, "read"),
    (68, "write"),
    (71, "sendfile"),
    (72, "select"),
    (73, "poll"),
    (82, "fsync"),
    (83, "fdatasync"),
    (95, "waitid"),
    (98, "futex"),
    (101, "nanosleep"),
    (115, "nanosleep"),
    (133, "sigsuspend"),
    (137, "sigtimedwait"),
    (188, "msgrcv"),
    (192, "semop"),
    (193, "semop"),
    (202, "accept"),
    (203, "connect"),
    (206, "send"),
    (207, "recv"),
    (211, "send"),
    (212, "recv"),
    (220, "clone"),
    (242, "accept"),
    (243, "recv"),
    (260, "wait4"),
    (269, "send"),
    (426, "io_uring_enter"),
    (435, "clone"),
    (441, "epoll_wait"),
    (449, "futex"),
    (455, "futex"),
];

/// Elsewhere a call goes by the kernel's function alone.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const CALLS: &[(i64, &str)] = &[];

/// The call a thread is in; nothing where it runs, is in none, or may not be looked at.
pub(in crate::process) fn call_of(pid: i32, thread: i32) -> Option<Call> {
    parse(&fs::read_to_string(format!("/proc/{pid}/task/{thread}/syscall")).ok()?)
}

fn parse(text: &str) -> Option<Call> {
    let mut words = text.split_ascii_whitespace();
    let number: i64 = words.next()?.parse().ok().filter(|number| *number >= 0)?;
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok()?;
    }
    let known = CALLS.iter().find(|(known, _)| *known == number);
    Some(Call {
        number,
        name: known.map(|(_, name)| *name),
        args,
    })
}

#[cfg(test)]
mod tests {
    use crate::process::evidence::call::{call_of, parse};

    #[test]
    fn a_call_is_read_with_its_arguments() {
        let call = parse("0 0x3 0x7f41 0x20000 0x0 0xffffffff 0x0 0x7ffd 0x7f41\n").unwrap();
        assert_eq!(
            (call.number, call.args),
            (0, [3, 0x7f41, 0x20000, 0, 0xffff_ffff, 0])
        );
        for none in ["running\n", "-1 0x7ffd 0x7f41\n", "", "0 0x3"] {
            assert_eq!(parse(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_this_machine() {
        // The kernel says which call this very thread is in while it reads that.
        let me = rustix::thread::gettid().as_raw_nonzero().get();
        let pid = i32::try_from(std::process::id()).unwrap();
        match call_of(pid, me) {
            Some(call) => assert_eq!(call.name, Some("read")),
            None => eprintln!("SKIPPED: the kernel shows no system calls"),
        }
    }
}
