//! How a run is named: `1842`, `#1842`, `1842.2`, `JOB`, `JOB~1`, `JOB@fail`.

use crate::cli::error::{CliError, Kind};
use crate::model::{Outcome, RunId, RunState};
use crate::store::{RunFilter, RunRow, Store};
use crate::view::words::is_failure;

/// What a selector says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// A run by its number, maybe one attempt of it.
    Run(RunId, Option<u32>),
    /// A run of a job, counted back from the latest.
    Back(String, usize),
    /// The latest run of a job that failed.
    Failed(String),
}

/// The run that was meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// The run.
    pub run: RunRow,
    /// The attempt, where one was named.
    pub attempt: Option<u32>,
}

/// Which runs of a job a bare name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// The latest.
    Latest,
    /// The latest that is alive, else the latest that waits, else the latest.
    Alive,
    /// The latest that waits, else the latest.
    Waiting,
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// One that names nothing.
    pub fn parse(text: &str) -> Result<Selector, CliError> {
        let unclear = || {
            CliError::new(Kind::Usage, format!("\"{text}\" names no run"))
                .hint("write 1842, 1842.2, JOB, JOB~1 or JOB@fail")
        };
        let number = text.strip_prefix('#').unwrap_or(text);
        let (run, attempt) = match number.split_once('.') {
            Some((run, attempt)) => (run, Some(attempt)),
            None => (number, None),
        };
        if let (Ok(run), Ok(attempt)) = (run.parse(), attempt.map(str::parse).transpose()) {
            return Ok(Selector::Run(RunId(run), attempt));
        }
        if text.is_empty() || text.starts_with('#') {
            return Err(unclear());
        }
        if let Some((job, word)) = text.split_once('@') {
            let known = matches!(word, "fail" | "failed");
            return known
                .then(|| Selector::Failed(job.to_owned()))
                .ok_or_else(unclear);
        }
        match text.split_once('~') {
            Some((job, back)) => {
                let back = back.parse().map_err(|_| unclear())?;
                Ok(Selector::Back(job.to_owned(), back))
            }
            None => Ok(Selector::Back(text.to_owned(), 0)),
        }
    }

    fn find(&self, store: &Store, prefer: Prefer) -> Result<Selected, CliError> {
        match self {
            Selector::Run(run, attempt) => by_number(store, *run, *attempt),
            Selector::Back(job, 0) => match preferred(store, job, prefer)? {
                Some(run) => Ok(Selected { run, attempt: None }),
                None => of_job(store, job, Vec::new(), 0, "no run"),
            },
            Selector::Back(job, back) => {
                of_job(store, job, Vec::new(), *back, "no run that far back")
            }
            Selector::Failed(job) => {
                let failed = Outcome::ALL.iter().filter(|o| is_failure(**o));
                let states = failed.map(|o| RunState::Ended(*o)).collect();
                of_job(store, job, states, 0, "no failed run")
            }
        }
    }
}

/// Finds the run a selector means.
///
/// # Errors
/// No such run, no such job.
pub fn select(store: &Store, text: &str) -> Result<Selected, CliError> {
    Selector::parse(text)?.find(store, Prefer::Latest)
}

/// Finds the run a selector means, where a bare name of a job means one in a certain state.
///
/// # Errors
/// No such run, no such job.
pub fn select_preferred(store: &Store, text: &str, prefer: Prefer) -> Result<Selected, CliError> {
    Selector::parse(text)?.find(store, prefer)
}

/// Makes sure that there is a job of that name, or that it left runs or fires behind.
///
/// # Errors
/// No such job.
pub fn known_job(store: &Store, name: &str) -> Result<(), CliError> {
    if store.job(name)?.is_some() || store.knew_job(name)? {
        return Ok(());
    }
    Err(CliError::no_job(name, &store.job_names()?))
}

fn by_number(store: &Store, run: RunId, attempt: Option<u32>) -> Result<Selected, CliError> {
    let none = |what: String| {
        CliError::new(Kind::NotFound, what).hint("`crake history` shows the runs there are")
    };
    let Some(row) = store.run(run)? else {
        return Err(none(format!("no run #{run}")));
    };
    match attempt {
        Some(n) if n == 0 || n > row.attempt => Err(none(format!("run #{run} has no attempt {n}"))),
        _ => Ok(Selected { run: row, attempt }),
    }
}

fn preferred(store: &Store, job: &str, prefer: Prefer) -> Result<Option<RunRow>, CliError> {
    let states = match prefer {
        Prefer::Latest => return Ok(None),
        Prefer::Alive => vec![RunState::Running, RunState::Queued],
        Prefer::Waiting => vec![RunState::Queued],
    };
    for state in states {
        let found = runs_of(store, job, vec![state], 0)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn of_job(
    store: &Store,
    job: &str,
    states: Vec<RunState>,
    back: usize,
    none: &str,
) -> Result<Selected, CliError> {
    if let Some(run) = runs_of(store, job, states, back)? {
        return Ok(Selected { run, attempt: None });
    }
    known_job(store, job)?;
    Err(CliError::new(Kind::NotFound, format!("{job} has {none}"))
        .hint(format!("`crake history {job}` shows its runs")))
}

fn runs_of(
    store: &Store,
    job: &str,
    states: Vec<RunState>,
    back: usize,
) -> Result<Option<RunRow>, CliError> {
    let filter = RunFilter {
        job: Some(job.to_owned()),
        states,
        limit: Some(back.saturating_add(1)),
        ..RunFilter::default()
    };
    Ok(store.runs(&filter)?.into_iter().nth(back))
}
