//! What another user sees and does of an instance whose store only root may open: the daemon reads
//! and writes it for them. The rows it shows are put into a store in memory, so that every command
//! looks at them as it looks at the store itself.

use std::ops::Deref;
use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::output::Piece;
use crate::cli::selector::{Prefer, Selector};
use crate::control::{ControlError, Petition, Reply, Request, ask_within};
use crate::model::{Outcome, Raw, RunId, RunState};
use crate::process::{Chunk, Stream};
use crate::store::{Image, RunFilter, Store, VERSION};
use crate::view::words::is_failure;

/// How long the daemon may take for a petition.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs alive or waiting that are asked for.
const ALIVE: usize = 1_000;

/// The store, or what the daemon shows of it.
pub struct Sight {
    store: Store,
    through: bool,
}

impl Sight {
    /// The store itself.
    pub fn of(store: Store) -> Sight {
        Sight {
            store,
            through: false,
        }
    }

    /// Whether it is what the daemon shows.
    pub fn is_through(&self) -> bool {
        self.through
    }
}

impl Deref for Sight {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// The petitions that show what a filter lets pass.
pub fn runs(filter: &RunFilter, with_jobs: bool) -> Petition {
    Petition::Runs {
        job: filter.job.clone(),
        states: filter
            .states
            .iter()
            .map(|s| s.as_str().to_owned())
            .collect(),
        since: filter.since,
        before: None,
        limit: filter
            .limit
            .map_or(u32::MAX, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        with_jobs,
    }
}

/// A job as it is, without who changed it.
pub fn job(name: &str) -> Petition {
    Petition::Show {
        job: name.to_owned(),
        history: false,
    }
}

/// The petitions that show the run a selector means.
///
/// # Errors
/// A selector that names nothing.
pub fn selected(text: &str, prefer: Prefer) -> Result<Vec<Petition>, CliError> {
    let of = |job: &str, states: Vec<RunState>, limit: usize| {
        let filter = RunFilter {
            job: Some(job.to_owned()),
            states,
            limit: Some(limit),
            ..RunFilter::default()
        };
        runs(&filter, true)
    };
    Ok(match Selector::parse(text)? {
        Selector::Run(run, _) => vec![Petition::Look { run }],
        Selector::Failed(name) => {
            let failed = Outcome::ALL.iter().filter(|o| is_failure(**o));
            let failed = failed.map(|o| RunState::Ended(*o)).collect();
            vec![job(&name), of(&name, failed, 1)]
        }
        Selector::Back(name, back) => {
            let mut all = vec![job(&name), of(&name, Vec::new(), back.saturating_add(1))];
            if prefer != Prefer::Latest {
                let alive = vec![RunState::Queued, RunState::Running];
                all.push(of(&name, alive, ALIVE));
            }
            all
        }
    })
}

impl Context {
    /// The store, to read; where this user may not open it, what the daemon shows of it to these
    /// petitions.
    ///
    /// # Errors
    /// Those of opening it, and of asking.
    pub fn look(&self, petitions: &[Petition]) -> Result<Sight, CliError> {
        match self.read() {
            Err(e) if e.kind == Kind::Denied => match shown(self, petitions) {
                // Nobody else is let in either: what was wrong with the store says more.
                Err(why) if why.kind == Kind::Failed && why.hint.is_none() => Err(e),
                Err(why) if why.kind == Kind::NoDaemon => Err(e.hint(format!(
                    "only its owner may; others work through the daemon, and {}",
                    why.message
                ))),
                done => done,
            },
            done => done.map(Sight::of),
        }
    }
}

/// What the daemon shows to these petitions.
fn shown(ctx: &Context, petitions: &[Petition]) -> Result<Sight, CliError> {
    let mut rows: Vec<Image> = Vec::new();
    for petition in petitions {
        all_parts(ctx, petition.clone(), &mut rows)?;
    }
    Ok(Sight {
        store: Store::of_rows(&rows)?,
        through: true,
    })
}

fn all_parts(ctx: &Context, mut petition: Petition, rows: &mut Vec<Image>) -> Result<(), CliError> {
    loop {
        let Reply::Rows {
            version,
            rows: part,
            more,
        } = send(ctx, petition.clone())?
        else {
            return Err(odd());
        };
        if version != VERSION {
            let what = "the daemon is of another version of crake";
            return Err(CliError::new(Kind::Refused, what).hint("use the crake of the daemon"));
        }
        let part: Vec<Image> = serde_json::from_value(part).map_err(|_| odd())?;
        let (came, count) = (!part.is_empty(), part.iter().filter(|i| i.table == "run"));
        let count = u32::try_from(count.count()).unwrap_or(u32::MAX);
        rows.extend(part);
        let Some(more) = more.filter(|_| came) else {
            return Ok(());
        };
        match &mut petition {
            Petition::List { after } => *after = Some(more),
            Petition::Runs { before, limit, .. } => {
                *limit = limit.saturating_sub(count);
                *before = more.parse().ok().map(RunId);
                if *limit == 0 || before.is_none() {
                    return Ok(());
                }
            }
            _ => return Ok(()),
        }
    }
}

/// Asks for a run of a job.
///
/// # Errors
/// No such job, and those of asking.
pub fn request(ctx: &Context, job: &str, env: Vec<(String, Raw)>) -> Result<RunId, CliError> {
    let petition = Petition::Run {
        job: job.to_owned(),
        env,
    };
    match send(ctx, petition)? {
        Reply::Asked(run) => Ok(run),
        Reply::NotFound => Err(CliError::no_job(job, &[])),
        _ => Err(odd()),
    }
}

/// Asks to have runs ended, or taken back where only those that wait are meant.
///
/// # Errors
/// No such run, and those of asking.
pub fn stop(ctx: &Context, runs: &[RunId], prefer: Prefer) -> Result<(), CliError> {
    let runs = runs.to_vec();
    let petition = match prefer {
        Prefer::Waiting => Petition::Cancel { runs },
        Prefer::Latest | Prefer::Alive => Petition::Kill { runs },
    };
    match send(ctx, petition)? {
        Reply::Done => Ok(()),
        Reply::NotFound => Err(CliError::new(Kind::NotFound, "no such run")
            .hint("`crake history` shows the runs there are")),
        _ => Err(odd()),
    }
}

/// What an attempt wrote after so many bytes, which are counted on.
///
/// # Errors
/// No such run, and those of asking.
pub fn output(ctx: &Context, run: RunId, attempt: u32, from: &mut u64) -> Result<Piece, CliError> {
    let petition = Petition::Output {
        run,
        attempt,
        from: *from,
    };
    match send(ctx, petition)? {
        Reply::Output {
            pieces,
            dropped,
            next,
            done,
        } => {
            *from = next;
            let chunk = |piece: crate::control::Written| Chunk {
                stream: if piece.err { Stream::Err } else { Stream::Out },
                at: piece.at,
                offset: piece.offset,
                bytes: piece.bytes.0,
            };
            Ok(Piece {
                chunks: pieces.into_iter().map(chunk).collect(),
                dropped,
                done,
            })
        }
        Reply::NotFound => Err(CliError::new(Kind::NotFound, format!("run #{run} is gone"))),
        _ => Err(odd()),
    }
}

fn send(ctx: &Context, petition: Petition) -> Result<Reply, CliError> {
    match ask_within(&ctx.paths.socket, &Request::Petition(petition), PATIENCE) {
        Ok(Reply::Denied) => Err(
            CliError::new(Kind::Denied, "the daemon does not allow that").hint(
                "other users may work with the jobs that run as them: `crake list` shows them",
            ),
        ),
        Ok(Reply::Refused(why)) => Err(CliError::new(
            Kind::Refused,
            format!("the daemon refuses: {why}"),
        )
        .hint("try again")),
        Ok(reply) => Ok(reply),
        // No way in for this user.
        Err(ControlError::Io(e)) => Err(CliError::new(Kind::Failed, e.to_string())),
        Err(e) => Err(e.into()),
    }
}

fn odd() -> CliError {
    CliError::new(Kind::Refused, "the daemon answers something else")
        .hint("use the crake of the daemon")
}
