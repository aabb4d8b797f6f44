//! How a poller is started, and what it is started with.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::model::{PASSED_ON, PasswordFrom, Secret, Source};

/// Where a poller finds certificates; it gets this beside what every command gets.
const CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Told to pollers by tests, in debug builds only.
#[cfg(debug_assertions)]
const HOOKS: [&str; 3] = [
    crate::daemon::poller::hooks::LEAK,
    crate::daemon::poller::hooks::HANG,
    crate::daemon::poller::hooks::PANIC,
];

/// How a poller is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// All it finds in its environment.
    pub environment: Vec<(OsString, OsString)>,
}

impl Launch {
    /// As this very program, also after its file was replaced.
    pub fn of_this_program() -> Launch {
        let variable = |name: &&str| Some(((*name).into(), std::env::var_os(name)?));
        let passed = PASSED_ON.iter().chain(&CERTIFICATES).filter_map(variable);
        #[cfg(debug_assertions)]
        let passed = passed.chain(HOOKS.iter().filter_map(variable));
        Launch {
            program: PathBuf::from("/proc/self/exe"),
            environment: passed.collect(),
        }
    }
}

/// A password in a variable of this process becomes one that is handed over.
pub(in crate::daemon::poller) fn with_variable(
    source: &Source,
    secret: Option<Secret>,
) -> (Source, Option<Secret>) {
    let mut source = source.clone();
    if let PasswordFrom::Env(name) = &source.password
        && let Ok(value) = std::env::var(name)
    {
        source.password = PasswordFrom::Stored;
        return (source, Some(Secret::new(value)));
    }
    (source, secret)
}
