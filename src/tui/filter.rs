//! The filter language: plain words are fuzzy on the name; `state:`, `job:`, `tag:`, `queue:`,
//! `by:`, `since:` and `took:` look at one thing; `!` before a word negates it.

use crate::model::{Outcome, RunState, parse_duration};
use crate::schedule::UnixMs;
use crate::view::words::{is_failure, state as word_of};

/// A filter as it was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<(bool, Term)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Name(String),
    State(String),
    Job(String),
    Tag(String),
    Queue(String),
    By(String),
    /// Not longer ago than this.
    Since(i64),
    /// Longer, or shorter, than this.
    Took(bool, i64),
}

/// What a filter looks at of one row.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    /// The job's name.
    pub name: &'a str,
    /// The state of the run, or of the job's last one.
    pub state: Option<RunState>,
    /// Further words for its state, as `paused` or `open`.
    pub words: &'a [&'a str],
    /// The job's labels.
    pub tags: &'a [String],
    /// The queue.
    pub queue: Option<&'a str>,
    /// What made the run.
    pub by: Option<&'a str>,
    /// When it happened.
    pub at: Option<UnixMs>,
    /// How long it took, or has taken, milliseconds.
    pub took_ms: Option<i64>,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What is not understood of it, in words.
    pub fn parse(text: &str) -> Result<Filter, String> {
        let terms: Result<Vec<_>, String> = text.split_whitespace().map(term).collect();
        Ok(Filter { terms: terms? })
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a row passes.
    pub fn passes(&self, subject: &Subject<'_>, now: UnixMs) -> bool {
        self.terms
            .iter()
            .all(|(negated, term)| term.holds(subject, now) != *negated)
    }
}

fn term(word: &str) -> Result<(bool, Term), String> {
    let (negated, word) = match word.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let Some((key, value)) = word.split_once(':') else {
        return Ok((negated, Term::Name(word.to_lowercase())));
    };
    let lower = value.to_lowercase();
    let length = |text: &str| parse_duration(text).map_err(|e| format!("{key}: {e}"));
    let term = match key {
        "state" => Term::State(lower),
        "job" => Term::Job(lower),
        "tag" => Term::Tag(lower),
        "queue" => Term::Queue(lower),
        "by" => Term::By(lower),
        "since" => Term::Since(length(value)?),
        "took" => match value.strip_prefix('<') {
            Some(rest) => Term::Took(false, length(rest)?),
            None => Term::Took(true, length(value.strip_prefix('>').unwrap_or(value))?),
        },
        other => {
            return Err(format!(
                "{other}: is none of state, job, tag, queue, by, since, took"
            ));
        }
    };
    Ok((negated, term))
}

impl Term {
    fn holds(&self, of: &Subject<'_>, now: UnixMs) -> bool {
        match self {
            Term::Name(word) => fuzzy(word, of.name),
            Term::State(word) => word.split(',').any(|word| in_state(word, of)),
            Term::Job(word) => of.name.to_lowercase().contains(word),
            Term::Tag(word) => of.tags.iter().any(|tag| tag.to_lowercase() == *word),
            Term::Queue(word) => of.queue.is_some_and(|queue| queue.to_lowercase() == *word),
            Term::By(word) => of.by.is_some_and(|by| by.starts_with(word.as_str())),
            Term::Since(ms) => of.at.is_some_and(|at| at >= now - ms),
            Term::Took(longer, ms) => of.took_ms.is_some_and(|took| (took > *ms) == *longer),
        }
    }
}

fn in_state(word: &str, of: &Subject<'_>) -> bool {
    if of.words.contains(&word) {
        return true;
    }
    let Some(state) = of.state else {
        return false;
    };
    let shown = word_of(state).to_lowercase();
    match word {
        // Whatever somebody has to look at.
        "fail" => state.outcome().is_some_and(is_failure),
        "ok" => state == RunState::Ended(Outcome::Succeeded),
        word => state.as_str().starts_with(word) || shown == word,
    }
}

/// Whether the letters of a word come in a name in their order, whatever stands between them.
pub fn fuzzy(word: &str, name: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    word.chars().all(|wanted| letters.any(|c| c == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: &str, subject: &Subject<'_>) -> bool {
        Filter::parse(filter).unwrap().passes(subject, 10_000_000)
    }

    #[test]
    fn each_term_looks_at_its_own_thing() {
        let tags = ["db".to_owned()];
        let subject = Subject {
            name: "Backup-db",
            state: Some(RunState::Ended(Outcome::Signaled)),
            words: &["paused"],
            tags: &tags,
            queue: Some("high"),
            by: Some("schedule"),
            at: Some(10_000_000 - 3_600_000),
            took_ms: Some(301_000),
        };
        for yes in [
            "",
            "bkdb",
            "state:fail",
            "state:signaled,ok",
            "state:paused",
            "job:up-d",
            "tag:db",
            "queue:high",
            "by:sched",
            "since:2h",
            "took:>5m",
            "took:5m",
            "!took:<5m",
            "!state:ok bk !x",
        ] {
            assert!(passes(yes, &subject), "{yes}");
        }
        for no in [
            "dbk",
            "state:ok",
            "!bk",
            "tag:d",
            "since:30m",
            "took:>6m",
            "bk !tag:db",
        ] {
            assert!(!passes(no, &subject), "{no}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert!(
            Filter::parse("since:soon")
                .unwrap_err()
                .starts_with("since:")
        );
        assert!(Filter::parse("colour:red").unwrap_err().contains("none of"));
    }
}
