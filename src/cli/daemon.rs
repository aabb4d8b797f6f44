//! `crake daemon`: keeps time.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind, in_words};
use crate::clock::SystemClock;
use crate::config::{Paths, User};
use crate::daemon::core::{self, CoreError, Setup};
use crate::daemon::guardian::{Guardian, NOT_YET};
use crate::daemon::order::Host;
use crate::engine::START_RATE;
use crate::schedule::Zone;
use crate::store::StoreError;

/// Most runs alive at once where nothing else is said.
const SLOTS: u32 = 64;

/// Keep time: fire jobs when they are due and record what became of each fire.
///
/// Runs in the foreground until SIGTERM or SIGINT; a second one ends it at once. Runs that are
/// alive then go on by themselves, and the next daemon takes them up again with their true exit
/// code and their whole output.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  crake daemon --slots 16")]
pub struct DaemonArgs {
    /// Most runs alive at once
    #[arg(long, value_name = "N", default_value_t = SLOTS, value_parser = clap::value_parser!(u32).range(1..=4096))]
    slots: u32,
    /// Most starts a second of runs that make up for what was missed, beyond the first that fill
    /// three of four slots; what is on time is not counted
    #[arg(long, value_name = "N", default_value_t = START_RATE, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    start_rate: u32,
}

/// Keeps time as the guardian of a core.
///
/// # Errors
/// No process can be started.
pub fn daemon(ctx: &Context, args: DaemonArgs) -> Result<u8, CliError> {
    let paths = &ctx.paths;
    let arguments: Vec<OsString> = [
        &paths.home,
        &paths.store,
        &paths.socket,
        &paths.spool,
        &paths.logs,
    ]
    .into_iter()
    .map(|p| p.clone().into_os_string())
    .chain([args.slots, args.start_rate].map(|number| number.to_string().into()))
    .collect();
    let guardian = Guardian {
        arguments,
        signals: signals()?,
        clock: &ctx.clock,
    };
    Ok(guardian.run()?)
}

/// What `crake __core HOME STORE SOCKET SPOOL LOGS SLOTS RATE [--again]` does: keeps time as the core of
/// a guardian, to which it beats through descriptor 0.
pub fn core_main(arguments: &[OsString]) -> u8 {
    // A thread that panics must not leave the others behind: the guardian starts a new core.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("crake: the core failed: {info}");
        std::process::abort();
    }));
    let (error, code) = match core_setup(arguments).map(core::run) {
        Ok(Ok(())) => return 0,
        Ok(Err(e @ CoreError::Store(StoreError::Busy))) => (e.into(), NOT_YET),
        Ok(Err(e)) => coded(e.into()),
        Err(e) => coded(e),
    };
    eprint!("{}", in_words(&error));
    code
}

fn coded(error: CliError) -> (CliError, u8) {
    let code = error.kind.code();
    (error, code)
}

fn core_setup(arguments: &[OsString]) -> Result<Setup, CliError> {
    let path = |index: usize| arguments.get(index).map(PathBuf::from);
    let number = |index: usize| arguments.get(index)?.to_str()?.parse().ok();
    let [home, store, socket, spool, logs] = [0, 1, 2, 3, 4].map(path);
    let (Some(home), Some(store), Some(socket), Some(spool), Some(logs)) =
        (home, store, socket, spool, logs)
    else {
        return Err(not_for_people());
    };
    let (Some(slots), Some(start_rate)) = (number(5), number(6)) else {
        return Err(not_for_people());
    };
    let user = User::current(std::env::var_os("HOME"), std::env::var_os("USER"));
    let zone = Zone::system_from(std::env::var("TZ").ok().as_deref())
        .map_err(|e| CliError::new(Kind::Invalid, e.to_string()))?;
    Ok(Setup {
        paths: Paths {
            home,
            store,
            socket,
            spool,
            logs,
        },
        host: Host {
            home: user.home,
            user: user.name,
            lang: std::env::var("LANG").ok().filter(|l| !l.is_empty()),
        },
        zone,
        slots,
        start_rate,
        again: arguments.iter().any(|a| a == "--again"),
        to_guardian: std::io::stdin().as_fd().try_clone_to_owned().ok(),
        end: signals()?,
        clock: Arc::new(SystemClock),
    })
}

fn not_for_people() -> CliError {
    CliError::new(Kind::Usage, "a core is started by `crake daemon`")
}

/// A descriptor that becomes readable at each SIGTERM and SIGINT. SIGHUP, which a closed terminal
/// sends, changes nothing.
fn signals() -> Result<OwnedFd, CliError> {
    let (here, there) = std::os::unix::net::UnixStream::pair()?;
    here.set_nonblocking(true)?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, there.try_clone()?)?;
    }
    let ignored = Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, ignored)?;
    Ok(here.into())
}

impl From<CoreError> for CliError {
    fn from(e: CoreError) -> CliError {
        let message = e.to_string();
        match e {
            CoreError::Store(e) => e.into(),
            CoreError::Held { .. } => CliError::new(Kind::Refused, message)
                .hint("`crake status` asks it how it is; stop it with SIGTERM"),
            CoreError::Io { source, .. } => {
                let kind = match source.kind() {
                    std::io::ErrorKind::PermissionDenied
                    | std::io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
                    _ => Kind::Failed,
                };
                CliError::new(kind, message)
            }
            CoreError::Slots(_) => CliError::new(Kind::Failed, message),
        }
    }
}
