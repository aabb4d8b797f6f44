//! What an alert says: one line, and a text that somebody who is woken by it can work with.

use crate::model::{AlertKind, Job, Outcome, RunId, RunState};
use crate::schedule::{UnixMs, Zone};
use crate::store::{Result, RunRow, Store};
use crate::view::text::clean_all;
use crate::view::time::{in_full, rfc3339, span};
use crate::view::words::{count, detail, made_by};

/// What is to be said.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// The job.
    pub job: Option<String>,
    /// The run.
    pub run: Option<RunId>,
    /// Failures in a row.
    pub fails: u32,
    /// So many fires.
    pub fires: i64,
    /// The first of them, or the last success of a job that is silent.
    pub since: Option<UnixMs>,
    /// What is to be said of it beside.
    pub note: Option<String>,
    /// The last lines the run wrote.
    pub tail: Vec<String>,
}

/// Puts an alert into words: the line and the text.
///
/// # Errors
/// Those of reading.
pub fn alert_words(
    store: &Store,
    (host, zone): (&str, &Zone),
    kind: AlertKind,
    telling: &Telling,
    now: UnixMs,
) -> Result<(String, String)> {
    let run = telling.run.map(|run| store.run(run)).transpose()?.flatten();
    let job = telling
        .job
        .as_deref()
        .map(|job| store.job(job))
        .transpose()?
        .flatten();
    let subject = clean_all(&subject(kind, telling, run.as_ref(), now));
    let mut text = format!("{subject}\n\n");
    let at = |at: UnixMs| format!("{} ({})", in_full(at, zone), rfc3339(at, &Zone::utc()));
    let mut line = |what: &str, words: &str| {
        if !words.is_empty() {
            text.push_str(&format!("{what:<9}{}\n", clean_all(words)));
        }
    };
    line("host", host);
    line("job", telling.job.as_deref().unwrap_or(""));
    if let Some(since) = telling.since {
        line("since", &at(since));
    }
    if let Some(run) = &run {
        for (what, words) in of_run(store, run, &at)? {
            line(what, &words);
        }
    }
    if let Some(job) = job {
        for (what, words) in about(&job.job) {
            line(what, &words);
        }
    }
    if let Some(note) = &telling.note {
        text.push_str(&format!("\n{note}\n"));
    }
    if !telling.tail.is_empty() {
        text.push_str("\nlast lines:\n");
        for line in &telling.tail {
            text.push_str(&format!("  {}\n", clean_all(line)));
        }
    }
    let hint = hint(kind, telling);
    if let Some(hint) = hint {
        text.push_str(&format!("\n{hint}\n"));
    }
    Ok((subject, text))
}

fn of_run(
    store: &Store,
    run: &RunRow,
    at: &dyn Fn(UnixMs) -> String,
) -> Result<Vec<(&'static str, String)>> {
    let maybe = |instant: Option<UnixMs>| instant.map_or(String::new(), at);
    let good = store.last_good(&run.job, run.run)?;
    let good = good.map_or(String::new(), |good| {
        format!("run {}, {}", good.run, maybe(good.ended_at))
    });
    Ok(vec![
        ("run", format!("{} ({})", run.run, made_by(run))),
        ("planned", maybe(run.planned_at)),
        ("started", maybe(run.started_at)),
        ("ended", maybe(run.ended_at)),
        ("took", took(run).map_or(String::new(), span)),
        ("outcome", outcome(run)),
        ("last ok", good),
    ])
}

/// The command to type.
fn hint(kind: AlertKind, telling: &Telling) -> Option<String> {
    match (kind, &telling.job, telling.run) {
        (AlertKind::Test, ..) => None,
        (AlertKind::Missed, Some(job), _) => Some(format!("crake missed {job}")),
        (AlertKind::Stuck | AlertKind::Lost | AlertKind::Late, _, Some(run)) => {
            Some(format!("crake explain {run}"))
        }
        (_, _, Some(run)) => Some(format!("crake logs {run}")),
        (_, Some(job), None) => Some(format!("crake show {job}")),
        (_, None, None) => None,
    }
}

fn about(job: &Job) -> [(&'static str, String); 3] {
    let spec = &job.spec;
    [
        ("command", spec.command.display()),
        ("owner", spec.owner.clone().unwrap_or_default()),
        ("runbook", spec.runbook.clone().unwrap_or_default()),
    ]
}

fn took(run: &RunRow) -> Option<i64> {
    Some((run.ended_at? - run.started_at?).max(0))
}

fn outcome(run: &RunRow) -> String {
    match run.state {
        RunState::Ended(outcome) => format!("{outcome} {}", detail(run)),
        RunState::Queued | RunState::Running => String::new(),
    }
}

fn subject(kind: AlertKind, telling: &Telling, run: Option<&RunRow>, now: UnixMs) -> String {
    let job = telling.job.as_deref().unwrap_or("crake");
    let how = run.map_or(String::new(), |run| match detail(run) {
        words if words.is_empty() => String::new(),
        words => format!(" ({words})"),
    });
    let took = run.and_then(took).map_or(String::new(), span);
    let age = run
        .and_then(|r| r.started_at)
        .map_or(String::new(), |at| span(now - at));
    let late = run.and_then(|r| Some(r.started_at? - r.planned_at?));
    match kind {
        AlertKind::Failed | AlertKind::Lost => {
            let verb = match run.and_then(|r| r.state.outcome()) {
                Some(Outcome::Lost) => "was lost",
                Some(Outcome::Interrupted) => "was interrupted",
                Some(Outcome::TimedOut) => "timed out",
                Some(Outcome::Expired) => "did not start in time",
                _ => "failed",
            };
            match telling.fails {
                0 | 1 => format!("{job} {verb}{how}"),
                n => format!("{job} {verb}{how}, {n} times in a row"),
            }
        }
        AlertKind::Missed => format!("{job} missed {}", count(telling.fires, "fire")),
        AlertKind::Stuck => format!("{job} is stuck, running for {age}"),
        AlertKind::Late => format!("{job} started {} late", span(late.unwrap_or(0))),
        AlertKind::Long if took.is_empty() => format!("{job} takes long, {age} so far"),
        AlertKind::Long => format!("{job} took long, {took}"),
        AlertKind::Short => format!("{job} succeeded in only {took}"),
        AlertKind::Silent => {
            let since = telling.since.map_or(0, |at| now - at);
            format!("{job} has not succeeded for {}", span(since))
        }
        AlertKind::Recovered => format!("{job} is well again"),
        AlertKind::Started => format!("{job} started"),
        AlertKind::Succeeded => format!("{job} succeeded"),
        AlertKind::Test => "a test of this receiver".to_owned(),
    }
}
