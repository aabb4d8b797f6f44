//! The processes crake starts of itself.

use std::ffi::OsString;

use crate::cli::context::Form;
use crate::cli::error::{CliError, Kind};
use crate::clock::SystemClock;

/// The processes crake starts of itself; their arguments are no part of the command line people
/// write, so they are looked at before it is.
pub fn internal(args: &[OsString]) -> Option<u8> {
    let name = args.get(1)?.to_str()?;
    match name {
        // First of all: a worker closes every descriptor it was not given on purpose.
        "__worker" => Some(worker(args.get(2)?.as_ref())),
        "__exec" => {
            title("crake-stage");
            let code = crate::process::stage_main(args.get(2..).unwrap_or_default());
            Some(u8::try_from(code).unwrap_or(125))
        }
        "__guardian" => {
            title("crake");
            Some(crate::cli::daemon::guardian_main(
                args.get(2..).unwrap_or_default(),
            ))
        }
        crate::daemon::program::QUESTION => {
            println!(
                "{}{}",
                crate::daemon::program::ANSWER,
                env!("CARGO_PKG_VERSION")
            );
            Some(0)
        }
        "__core" => {
            title("crake-core");
            Some(crate::cli::daemon::core_main(
                args.get(2..).unwrap_or_default(),
            ))
        }
        "__poller" => {
            title("crake-poller");
            crate::daemon::poller::poller_main(std::sync::Arc::new(SystemClock))
        }
        "__mail" => {
            title("crake-mail");
            Some(crate::process::mail_main(args.get(2..).unwrap_or_default()))
        }
        "__drain" => {
            title("crake-drain");
            Some(crate::process::drain_main())
        }
        "__alert" => {
            title("crake-alert");
            Some(crate::cli::alerts::alert_main(
                args.get(2..).unwrap_or_default(),
            ))
        }
        "__check" | "__copy" => Some(crate::cli::chore::chore(args.get(1..).unwrap_or_default())),
        other => other.starts_with("__").then(|| {
            let error = CliError::new(Kind::Usage, format!("unknown internal command {name}"));
            crate::cli::error::tell(&error, Form::Text)
        }),
    }
}

fn worker(dir: &std::path::Path) -> u8 {
    title("crake-worker");
    let code = crate::process::worker_main(dir, &SystemClock);
    u8::try_from(code).unwrap_or(1)
}

/// Names the process for `ps`: started through /proc/self/exe it would be called `exe`.
fn title(name: &str) {
    if let Ok(name) = std::ffi::CString::new(name) {
        // Nothing depends on the name.
        let _ = rustix::thread::set_name(&name);
    }
}
