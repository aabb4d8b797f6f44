//! Answers to the shells' completion: the names of jobs and sources, read from the store.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;

use crate::cli::help;
use crate::config::{HOME_VARIABLE, Paths};
use crate::store::Store;

/// How long a completion may wait for the store.
const PATIENCE: Duration = Duration::from_millis(50);

/// Answers where a shell asks for completions (the variable `COMPLETE` names it). Says whether
/// that was so.
pub fn answered(args: &[OsString]) -> bool {
    let directory = std::env::current_dir().ok();
    CompleteEnv::with_factory(help::root_command)
        .bin("crake")
        .completer("crake")
        .try_complete(args.iter().cloned(), directory.as_deref())
        // A shell waits for words; an error would be shown in the middle of the user's line.
        .unwrap_or(true)
}

/// The names of the jobs, each with its schedules; none where they cannot be read.
pub fn job_names() -> Vec<CompletionCandidate> {
    names().unwrap_or_default()
}

/// The names of the sources, each with where it is; none where they cannot be read.
pub fn source_names() -> Vec<CompletionCandidate> {
    let candidate = |source: crate::model::Source| {
        CompletionCandidate::new(&source.name).help(Some(source.redacted().into()))
    };
    let sources = store().and_then(|store| store.sources().ok());
    let sources = sources.unwrap_or_default();
    sources.into_iter().map(candidate).collect()
}

/// The names of the receivers of alerts, each with where it leads; none where they cannot be read.
pub fn receiver_names() -> Vec<CompletionCandidate> {
    let candidate = |row: crate::model::ReceiverRow| {
        let target = row.receiver.means.target();
        CompletionCandidate::new(&row.receiver.name).help(Some(target.into()))
    };
    let receivers = store().and_then(|store| store.receivers().ok());
    let receivers = receivers.unwrap_or_default();
    receivers.into_iter().map(candidate).collect()
}

/// The names of the watches, each with its query; none where they cannot be read.
pub fn watch_names() -> Vec<CompletionCandidate> {
    let candidate = |row: crate::store::WatchRow| {
        CompletionCandidate::new(&row.watch.name).help(Some(row.watch.query.into()))
    };
    let watches = store().and_then(|store| store.watches().ok());
    let watches = watches.unwrap_or_default();
    watches.into_iter().map(candidate).collect()
}

fn names() -> Option<Vec<CompletionCandidate>> {
    let candidate = |row: crate::store::JobRow| {
        let exprs: Vec<&str> = row.schedules.iter().map(|(p, _)| p.expr.as_str()).collect();
        CompletionCandidate::new(row.job.name).help(Some(exprs.join(", ").into()))
    };
    Some(store()?.jobs().ok()?.into_iter().map(candidate).collect())
}

/// The store of the command line that is being completed.
fn store() -> Option<Store> {
    let args: Vec<OsString> = std::env::args_os().collect();
    let home = args
        .iter()
        .position(|arg| arg == "--home")
        .and_then(|at| args.get(at + 1))
        .map(Path::new);
    let system = args.iter().any(|arg| arg == "--system");
    let paths = Paths::chosen(home, system, std::env::var_os(HOME_VARIABLE)).ok()?;
    let store = Store::open_to_read(&paths.store).ok()?;
    store.set_patience(PATIENCE).ok()?;
    Some(store)
}
