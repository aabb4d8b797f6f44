//! Becoming the user a job belongs to, for good or not at all.

use std::ffi::CString;

use nix::unistd::{
    Gid, Uid, User, getgrouplist, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid,
    setuid,
};
use rustix::io::Errno;

use crate::model::Limits;
use crate::process::form::Failure;

/// What is wrong with the name of a user before anybody looks it up: numbers are no names. Programs
/// that took an unknown or numeric name for "no user" ran its jobs as root (CVE-2017-1000082,
/// CVE-2020-13776).
pub fn fault_of_user_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a user needs a name".to_owned());
    }
    if name.bytes().all(|b| b.is_ascii_digit()) {
        return Some(format!(
            "\"{name}\" is a number: a user is given by name, never by number"
        ));
    }
    let odd = |b: u8| b.is_ascii_whitespace() || b.is_ascii_control() || b":/,".contains(&b);
    (name.starts_with(['-', '+']) || name.bytes().any(odd))
        .then(|| format!("\"{name}\" cannot be the name of a user"))
}

/// The number of a user, by the host's list of users; nothing where there is no such user. It may
/// take long, where that list is on another host.
///
/// # Errors
/// Says what is wrong with the name or with the list.
pub fn number_of_user(name: &str) -> Result<Option<u32>, String> {
    if let Some(fault) = fault_of_user_name(name) {
        return Err(fault);
    }
    let found = User::from_name(name).map_err(|e| format!("user {name}: {}", e.desc()))?;
    Ok(found.map(|user| user.uid.as_raw()))
}

/// Looks up the user of a job.
///
/// # Errors
/// No such user, no name of one, or another number than when the job was defined.
pub(in crate::process) fn look_up(name: &str, limits: &Limits) -> Result<User, Failure> {
    if let Some(reason) = fault_of_user_name(name) {
        return Err(refusal(Errno::INVAL, reason));
    }
    let user = match User::from_name(name) {
        Ok(Some(user)) => user,
        Ok(None) => {
            let reason = format!("there is no user {name} on this host");
            return Err(refusal(Errno::INVAL, reason));
        }
        Err(e) => {
            let reason = format!("the user {name} cannot be looked up: {}", e.desc());
            return Err(refusal(Errno::from_raw_os_error(e as i32), reason));
        }
    };
    let uid = user.uid.as_raw();
    match limits.uid {
        Some(then) if then != uid => Err(refusal(
            Errno::PERM,
            format!(
                "the user {name} has the number {uid}, and had {then} when the job was defined"
            ),
        )),
        _ => Ok(user),
    }
}

/// Becomes that user in all six ids and in every group, and makes sure that there is no way back.
///
/// # Errors
/// This process may not, or it did not take.
pub(in crate::process) fn become_user(user: &User) -> Result<(), Failure> {
    let (uid, gid) = (user.uid, user.gid);
    let name = &user.name;
    if !Uid::effective().is_root() {
        let only = (Uid::current(), Uid::effective()) == (uid, uid);
        return match only {
            true => Ok(()),
            false => Err(refusal(
                Errno::PERM,
                format!("only a daemon run by root can run a job as {name}"),
            )),
        };
    }
    let step = |what: &str, e: nix::errno::Errno| {
        let reason = format!("cannot become {name}: {what}: {}", e.desc());
        refusal(Errno::from_raw_os_error(e as i32), reason)
    };
    let c_name = CString::new(name.as_bytes())
        .map_err(|_| refusal(Errno::INVAL, "a user's name with a NUL".to_owned()))?;
    let groups = getgrouplist(&c_name, gid).map_err(|e| step("its groups", e))?;
    setgroups(&groups).map_err(|e| step("setgroups", e))?;
    setresgid(gid, gid, gid).map_err(|e| step("setresgid", e))?;
    setresuid(uid, uid, uid).map_err(|e| step("setresuid", e))?;
    if is_for_good(uid, gid, groups) {
        Ok(())
    } else {
        let reason = format!("cannot become {name}: the change of user did not take");
        Err(refusal(Errno::PERM, reason))
    }
}

fn is_for_good(uid: Uid, gid: Gid, mut groups: Vec<Gid>) -> bool {
    let all_users = getresuid().is_ok_and(|r| (r.real, r.effective, r.saved) == (uid, uid, uid));
    let all_groups = getresgid().is_ok_and(|r| (r.real, r.effective, r.saved) == (gid, gid, gid));
    let sorted = |groups: &mut Vec<Gid>| {
        groups.sort_by_key(|g| g.as_raw());
        groups.dedup();
    };
    sorted(&mut groups);
    let listed = getgroups().is_ok_and(|mut now| {
        sorted(&mut now);
        now == groups
    });
    all_users && all_groups && listed && (uid.is_root() || setuid(Uid::from_raw(0)).is_err())
}

fn refusal(errno: Errno, reason: String) -> Failure {
    Failure {
        errno: errno.raw_os_error(),
        reason,
    }
}
