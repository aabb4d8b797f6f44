//! Where a process may make control groups, by what the kernel says of its mounts and its own.

use std::fs;
use std::path::{Path, PathBuf};

/// A hierarchy of control groups as this process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::process) struct Hierarchy {
    /// The group this process is in.
    pub home: PathBuf,
    /// The group in which new ones are to be made.
    pub base: PathBuf,
}

impl Hierarchy {
    /// Asks for controllers in the groups made here. Where the group holds processes of its own, as
    /// that of a plain service does, the kernel refuses, and there are none.
    pub fn delegate(&self) {
        let _ = fs::write(self.base.join("cgroup.subtree_control"), "+memory");
        let _ = fs::write(self.base.join("cgroup.subtree_control"), "+pids");
    }
}

/// The hierarchies there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::process) struct Places {
    /// Version 2.
    pub whole: Option<Hierarchy>,
    /// The freezer of version 1.
    pub freezer: Option<Hierarchy>,
    /// The memory controller of version 1.
    pub memory: Option<Hierarchy>,
    /// The controller of version 1 that counts processes.
    pub pids: Option<Hierarchy>,
}

impl Places {
    /// Each of them.
    pub fn all(&self) -> impl Iterator<Item = &Hierarchy> {
        [&self.whole, &self.freezer, &self.memory, &self.pids]
            .into_iter()
            .flatten()
    }
}

/// Reads `/proc/self/mountinfo` and `/proc/self/cgroup` (cgroups(7)).
pub(in crate::process) fn places(mountinfo: &str, own: &str) -> Places {
    let old = |controller: &str| {
        let path = own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            controllers
                .split(',')
                .any(|c| c == controller)
                .then_some(path)
        })?;
        let has = |kind: &str, options: &str| {
            kind == "cgroup" && options.split(',').any(|o| o == controller)
        };
        let home = group(mountinfo, path, has)?;
        let base = home.clone();
        Some(Hierarchy { home, base })
    };
    let new = || {
        let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let home = group(mountinfo, path, |kind, _| kind == "cgroup2")?;
        let base = base_of(&home);
        Some(Hierarchy { home, base })
    };
    Places {
        whole: new(),
        freezer: old("freezer"),
        memory: old("memory"),
        pids: old("pids"),
    }
}

// systemd marks what it delegates. A service with `DelegateSubgroup=` lives one below that, so that
// the group above may have controllers.
fn base_of(home: &Path) -> PathBuf {
    let delegated = |dir: &Path| {
        let mut value = [0_u8; 8];
        let read = rustix::fs::getxattr(dir, "user.delegate", &mut value[..]);
        read.is_ok_and(|len| value.get(..len) == Some(b"1"))
    };
    match home.parent() {
        Some(parent) if !delegated(home) && delegated(parent) => parent.to_owned(),
        _ => home.to_owned(),
    }
}

// The directory of a group: its path below the root of the mount that shows it.
fn group(mountinfo: &str, path: &str, is_it: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let mut tail = tail.split(' ');
        let (kind, _, options) = (tail.next()?, tail.next()?, tail.next()?);
        if !is_it(kind, options) {
            return None;
        }
        let mut head = head.split(' ').skip(3);
        let (root, point) = (head.next()?, head.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        let point = point.replace("\\040", " ");
        Some(Path::new(&point).join(below))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::process::cgroup_place::places;

    const HYBRID: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 /box /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
41 31 0:38 / /sys/fs/cgroup/a\\040b rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn a_group_is_looked_for_below_the_root_of_its_mount() {
        let own =
            "9:name=systemd:/\n6:freezer:/\n4:memory:/box/one\n1:cpu,cpuacct:/x\n0::/user.slice\n";
        let places = places(HYBRID, own);
        let home = |place: Option<crate::process::cgroup_place::Hierarchy>| place.unwrap().home;
        assert_eq!(home(places.memory), Path::new("/sys/fs/cgroup/memory/one"));
        assert_eq!(home(places.freezer), Path::new("/sys/fs/cgroup/freezer"));
        assert_eq!(
            home(places.whole),
            Path::new("/sys/fs/cgroup/a b/user.slice")
        );
        assert_eq!(places.pids, None);
    }

    #[test]
    fn a_group_above_the_mount_is_out_of_reach() {
        assert_eq!(places(HYBRID, "4:memory:/elsewhere\n").memory, None);
        assert_eq!(places("", "0::/\n").whole, None);
        assert_eq!(places("nonsense", "nonsense").whole, None);
    }
}
