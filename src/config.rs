//! Where things live, and who is asking.
//!
//! Values come from the caller's environment once, at the edge, and are passed on as plain data.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable that puts everything under one directory.
pub const HOME_VARIABLE: &str = "CRAKE_HOME";

/// The files and directories of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The directory that holds the rest, for messages.
    pub home: PathBuf,
    /// The store.
    pub store: PathBuf,
    /// The daemon's socket.
    pub socket: PathBuf,
    /// Ring, lock and slots.
    pub spool: PathBuf,
    /// Output too large for the store.
    pub logs: PathBuf,
}

/// No place can be found for an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no home directory is known for this user")]
pub struct NoHome;

impl Paths {
    /// Everything under one directory.
    pub fn under(dir: &Path) -> Paths {
        Paths {
            home: dir.to_path_buf(),
            store: dir.join("crake.db"),
            socket: dir.join("crake.sock"),
            spool: dir.join("spool"),
            logs: dir.join("logs"),
        }
    }

    /// The instance of the whole system.
    pub fn system() -> Paths {
        Paths {
            home: PathBuf::from("/var/lib/crake"),
            store: PathBuf::from("/var/lib/crake/crake.db"),
            socket: PathBuf::from("/run/crake/crake.sock"),
            spool: PathBuf::from("/var/lib/crake/spool"),
            logs: PathBuf::from("/var/log/crake"),
        }
    }

    /// The instance of one user, by the XDG base directories.
    ///
    /// # Errors
    /// [`NoHome`].
    pub fn user() -> Result<Paths, NoHome> {
        let dirs = directories::ProjectDirs::from("", "", "crake").ok_or(NoHome)?;
        let under = Paths::under(dirs.data_dir());
        let socket = dirs
            .runtime_dir()
            .map_or(under.socket.clone(), |dir| dir.join("crake.sock"));
        Ok(Paths { socket, ..under })
    }

    /// The instance a command means: `--home`, then `--system`, then the variable, then the user's.
    ///
    /// # Errors
    /// [`NoHome`].
    pub fn chosen(
        home: Option<&Path>,
        system: bool,
        variable: Option<OsString>,
    ) -> Result<Paths, NoHome> {
        if let Some(dir) = home {
            return Ok(Paths::under(&absolute(dir)));
        }
        if system {
            return Ok(Paths::system());
        }
        match variable.filter(|v| !v.is_empty()) {
            Some(dir) => Ok(Paths::under(&absolute(Path::new(&dir)))),
            None => Paths::user(),
        }
    }

    /// The ring.
    pub fn ring(&self) -> PathBuf {
        self.spool.join("ring")
    }

    /// The lock that says who keeps time here.
    pub fn lock(&self) -> PathBuf {
        self.spool.join("lock")
    }

    /// What a core that is started again and again leaves for readers.
    pub fn trouble(&self) -> PathBuf {
        self.spool.join("restarts")
    }

    /// The workers' slots.
    pub fn slots(&self) -> PathBuf {
        self.spool.join("slots")
    }
}

fn absolute(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf())
}

/// The user a process runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name, or the number where none is known.
    pub name: String,
    /// Home directory.
    pub home: String,
}

impl User {
    /// Looks the user of this process up in `/etc/passwd`; what is not found there is taken from
    /// the given `HOME` and `USER`.
    pub fn current(home: Option<OsString>, user: Option<OsString>) -> User {
        let uid = rustix::process::getuid().as_raw();
        let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let text = |v: Option<OsString>| v.and_then(|v| v.into_string().ok());
        User::in_table(&table, uid).unwrap_or_else(|| User {
            name: text(user).unwrap_or_else(|| uid.to_string()),
            home: text(home).unwrap_or_else(|| "/".to_owned()),
        })
    }

    /// The entry of a user in a table in the form of passwd(5).
    pub fn in_table(table: &str, uid: u32) -> Option<User> {
        table.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let found = fields.get(2)?.parse() == Ok(uid);
            found.then(|| User {
                name: fields.first().copied().unwrap_or_default().to_owned(),
                home: fields.get(5).copied().unwrap_or("/").to_owned(),
            })
        })
    }
}
