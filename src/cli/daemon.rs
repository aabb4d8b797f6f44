//! `crake daemon`: keeps time.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind, in_words};
use crate::cli::upgrade;
use crate::clock::SystemClock;
use crate::config::{Paths, User};
use crate::daemon::core::{self, BEAT_MS, CoreError, Setup};
use crate::daemon::guardian::Guardian;
use crate::daemon::notify::Notifier;
use crate::daemon::order::Host;
use crate::daemon::program::called_by;
use crate::daemon::restarts::Trouble;
use crate::daemon::successor::Guarded;
use crate::daemon::ward::{NOT_YET, Ward};
use crate::engine::START_RATE;
use crate::letter::SENDMAIL;
use crate::schedule::Zone;
use crate::store::StoreError;

/// Most runs alive at once where nothing else is said.
const SLOTS: u32 = 64;

/// Said to the core where other users may send petitions.
const FOR_USERS: &str = "--for-users";

/// Keep time: fire jobs when they are due and record what became of each fire.
///
/// Runs in the foreground until SIGTERM or SIGINT; a second one ends it at once. Runs that are
/// alive then go on by themselves, and the next daemon takes them up again with their true exit
/// code and their whole output.
///
/// A core that dies or hangs is started again by its guardian, the process this command becomes; a
/// guardian that is killed gets a successor, which is then in the background. SIGUSR2 to the guardian
/// is what --upgrade sends: the program that lies where this one was started from takes over without
/// touching any run; one that does not work is refused. Under a service manager (Type=notify) it
/// tells when it is ready and feeds the watchdog with the rounds of the loop that fires jobs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  crake daemon --slots 16\n  crake daemon --upgrade")]
pub struct DaemonArgs {
    /// Most runs alive at once
    #[arg(long, value_name = "N", default_value_t = SLOTS, value_parser = clap::value_parser!(u32).range(1..=4096))]
    slots: u32,
    /// Most starts a second of runs that make up for what was missed, beyond the first that fill
    /// three of four slots; what is on time is not counted
    #[arg(long, value_name = "N", default_value_t = START_RATE, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    start_rate: u32,
    /// Let all users of the host work with their own jobs through the socket; --system does
    #[arg(long)]
    for_users: bool,
    /// Have the daemon that runs go over to the program now installed in its place, and wait for it
    #[arg(long, conflicts_with_all = ["slots", "start_rate", "for_users"])]
    upgrade: bool,
}

/// Keeps time as the guardian of a core.
///
/// # Errors
/// No process can be started.
pub fn daemon(ctx: &Context, args: DaemonArgs) -> Result<u8, CliError> {
    if args.upgrade {
        return upgrade::upgrade(ctx);
    }
    if args.for_users && !rustix::process::geteuid().is_root() {
        let what = "only a daemon run by root can serve other users";
        return Err(CliError::new(Kind::Denied, what).hint("leave --for-users out"));
    }
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
    .chain(args.for_users.then(|| FOR_USERS.into()))
    .collect();
    let name = std::env::args_os().next().map(PathBuf::from);
    let program = called_by(
        name.as_deref(),
        std::env::var_os("PATH").as_deref(),
        std::env::current_exe()?,
    );
    Ok(guardian(arguments, program, &ctx.clock)?.run(None, false)?)
}

fn guardian(
    arguments: Vec<OsString>,
    program: PathBuf,
    clock: &SystemClock,
) -> Result<Guardian<'_>, CliError> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    Ok(Guardian {
        arguments,
        program,
        signals: signals(&[SIGTERM, SIGINT])?,
        upgrades: signals(&[SIGUSR2])?,
        notifier: Notifier::from_variables(|name| std::env::var_os(name), pid),
        clock,
    })
}

/// What `crake __guardian CORE PROGRAM HOME STORE ...` does: goes on as the guardian of a living
/// core, the line to which is descriptor 0.
pub fn guardian_main(arguments: &[OsString]) -> u8 {
    let (Some(core), Some(program), Some(rest)) =
        (arguments.first(), arguments.get(1), arguments.get(2..))
    else {
        return Kind::Usage.code();
    };
    let core = core.to_str().and_then(|c| c.parse().ok()).unwrap_or(0);
    let run = || -> Result<u8, CliError> {
        let guardian = guardian(rest.to_vec(), program.into(), &SystemClock)?;
        let line = std::io::stdin().as_fd().try_clone_to_owned()?;
        // Nobody else may hold this end: the core would not notice that we are gone.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?).map_err(std::io::Error::from)?;
        // One that is gone meanwhile is replaced like any other.
        let ward = Ward::adopt(core, line).ok();
        Ok(guardian.run(ward, true)?)
    };
    run().unwrap_or_else(|e| {
        eprint!("{}", in_words(&e));
        e.kind.code()
    })
}

/// What `crake __core HOME STORE SOCKET SPOOL LOGS SLOTS RATE --program PATH --guardian PID [--again FACTS] [--managed]
/// [--beat MS]` does: keeps time as the core of a guardian, to which it beats through descriptor 0.
pub fn core_main(arguments: &[OsString]) -> u8 {
    // A thread that panics must not leave the others behind: the guardian starts a new core.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("crake: the core failed: {info}");
        std::process::abort();
    }));
    let setup = match core_setup(arguments) {
        Ok(setup) => setup,
        Err(e) => {
            eprint!("{}", in_words(&e));
            return e.kind.code();
        }
    };
    let trouble = setup.paths.trouble();
    if let (Some(again), Some(guardian)) = (&setup.again, setup.guarded.guardian) {
        Trouble::of(again, guardian).leave(&trouble);
    }
    let (error, code) = match core::run(setup) {
        Ok(()) => return 0,
        Err(e @ CoreError::Store(StoreError::Busy)) => (e.into(), NOT_YET),
        Err(e) => coded(e.into()),
    };
    Trouble::explain(&trouble, &error.message);
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
    let Some(slots) = number(5) else {
        return Err(not_for_people());
    };
    // A guardian of an older program says nothing of it.
    let start_rate = number(6).unwrap_or(START_RATE);
    // What stands before this the guardian was given, what follows it says itself.
    let split = arguments.iter().position(|a| a == "--program");
    let (ours, _) = arguments.split_at(split.unwrap_or(arguments.len()));
    let option = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1)
    };
    let program = option("--program");
    let beat = option("--beat").and_then(|b| b.to_str()?.parse::<i64>().ok());
    let user = User::current(std::env::var_os("HOME"), std::env::var_os("USER"));
    let zone = Zone::system_from(std::env::var("TZ").ok().as_deref())
        .map_err(|e| CliError::new(Kind::Invalid, e.to_string()))?;
    let paths = Paths {
        home,
        store,
        socket,
        spool,
        logs,
    };
    let asked = ours.iter().any(|a| a == FOR_USERS) || paths == Paths::system();
    Ok(Setup {
        for_users: asked && rustix::process::geteuid().is_root(),
        paths,
        host: Host {
            home: user.home,
            user: user.name,
            lang: std::env::var("LANG").ok().filter(|l| !l.is_empty()),
        },
        sendmail: std::env::var_os("CRAKE_SENDMAIL")
            .map_or_else(|| PathBuf::from(SENDMAIL), PathBuf::from),
        zone,
        slots,
        start_rate,
        again: option("--again").map(|facts| {
            // What cannot be read of them is not worth a core.
            serde_json::from_slice(facts.as_bytes()).unwrap_or_default()
        }),
        guarded: Guarded {
            line: program
                .is_some()
                .then(|| std::io::stdin().as_fd().try_clone_to_owned())
                .transpose()?,
            guardian: option("--guardian").and_then(|pid| pid.to_str()?.parse().ok()),
            arguments: ours.to_vec(),
            program: program.map(PathBuf::from).unwrap_or_default(),
            managed: arguments.iter().any(|a| a == "--managed"),
        },
        beat_ms: beat.unwrap_or(BEAT_MS).clamp(1, BEAT_MS),
        end: signals(&[SIGTERM, SIGINT])?,
        clock: Arc::new(SystemClock),
    })
}

fn not_for_people() -> CliError {
    CliError::new(Kind::Usage, "a core is started by `crake daemon`")
}

/// A descriptor that becomes readable at each SIGTERM and SIGINT. SIGHUP, which a closed terminal
/// A descriptor that becomes readable at each of these signals. SIGHUP, which a closed terminal
/// sends, changes nothing.
fn signals(which: &[i32]) -> Result<OwnedFd, CliError> {
    let (here, there) = std::os::unix::net::UnixStream::pair()?;
    here.set_nonblocking(true)?;
    for signal in which {
        signal_hook::low_level::pipe::register(*signal, there.try_clone()?)?;
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
