//! Why a job ran, or did not run, at an instant: its schedules, the ledger and its runs joined.
//!
//! Pure: what is known is passed in.

use crate::model::{Pause, Planned, RunId, Verdict};
use crate::schedule::{Civil, UnixMs, Zone};
use crate::store::{FireRow, RunRow};
use crate::view::explain_words as words;
use crate::view::timetable::Timetable;

/// How far an instant may lie from the one asked for to be told of in its place.
pub const NEAR: i64 = 2 * 3_600_000;

/// A version of a schedule, made ready or why it cannot be.
#[derive(Clone, Debug)]
pub struct Version {
    /// As it is stored.
    pub planned: Planned,
    /// When it fires.
    pub table: Result<Timetable, String>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The job.
    pub job: &'a str,
    /// The first instant meant.
    pub at: UnixMs,
    /// How long what is meant lasts: a minute, or a second where that was given.
    pub width: i64,
    /// What was asked for, where the clock never shows it.
    pub skipped: Option<Civil>,
    /// When the job is paused.
    pub pauses: &'a [Pause],
    /// The zone the answer is given in.
    pub zone: &'a Zone,
    /// The time now.
    pub now: UnixMs,
}

/// What is known.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Every version there was of the job's schedules.
    pub versions: Vec<Version>,
    /// The rows of its ledger within [`NEAR`] of the instant.
    pub fires: Vec<FireRow>,
    /// The runs those name.
    pub runs: Vec<RunRow>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether a schedule in force planned the instant asked for.
    pub due: bool,
    /// The expression that planned what is told of.
    pub schedule: Option<String>,
    /// The instant told of: the one asked for, or the nearest.
    pub planned_at: Option<UnixMs>,
    /// What the ledger says.
    pub verdict: Option<Verdict>,
    /// The run it names.
    pub run: Option<RunId>,
    /// Why, in the ledger's own words.
    pub reason: Option<String>,
    /// All of it for people, a line each.
    pub text: Vec<String>,
}

/// An instant of a version.
#[derive(Clone, Copy, Debug)]
struct Found<'a> {
    version: &'a Version,
    table: &'a Timetable,
    at: UnixMs,
}

impl Found<'_> {
    fn in_force(&self) -> bool {
        self.version.in_force(self.at)
    }
}

impl Version {
    fn in_force(&self, at: UnixMs) -> bool {
        let Planned { from, until, .. } = self.planned;
        from < at && until.is_none_or(|until| at <= until)
    }

    /// Whether nothing has ended it but its own terms.
    fn is_current(&self) -> bool {
        self.planned.until.is_none() || self.planned.until == self.planned.terms.end_at
    }
}

/// Answers.
pub fn answer(question: &Question<'_>, known: &Evidence) -> Answer {
    let mut answer = Answer::default();
    let within = within(question, known);
    let row = row_at(question, known, within.as_ref());
    match (within, row) {
        (Some(found), _) if found.in_force() || row.is_none() => {
            tell_due(question, known, &found, &mut answer);
        }
        // The ledger knows of an instant that no version plans any more, such as a boot's.
        (_, Some(row)) => {
            answer.due = true;
            answer.text.push(words::by_the_ledger(question, row));
            tell_row(question, known, row, &mut answer);
        }
        (_, None) => tell_not_due(question, known, &mut answer),
    }
    answer
}

/// The instant asked for: of a version that was in force then, or else of one there is now.
fn within<'a>(question: &Question<'_>, known: &'a Evidence) -> Option<Found<'a>> {
    let found: Vec<Found<'a>> = ready(known)
        .filter_map(|(version, table)| {
            let at = table.next_after(question.at - 1)?;
            let found = Found { version, table, at };
            (at < question.at + question.width).then_some(found)
        })
        .collect();
    let in_force = found.iter().find(|found| found.in_force());
    let current = || found.iter().find(|found| found.version.is_current());
    in_force.or_else(current).copied()
}

fn ready(known: &Evidence) -> impl Iterator<Item = (&Version, &Timetable)> {
    let of = |version| -> Option<(&Version, &Timetable)> {
        let version: &Version = version;
        Some((version, version.table.as_ref().ok()?))
    };
    known.versions.iter().filter_map(of)
}

fn row_at<'a>(
    question: &Question<'_>,
    known: &'a Evidence,
    found: Option<&Found<'_>>,
) -> Option<&'a FireRow> {
    let end = question.at + question.width;
    let covers = |row: &&FireRow| row.planned_at < end && row.until >= question.at;
    let of_it = |row: &&FireRow| found.is_none_or(|f| f.version.planned.id == row.schedule);
    let mut rows = known.fires.iter().filter(covers);
    let exact = rows.clone().find(of_it);
    exact.or_else(|| rows.find(|_| found.is_none_or(|f| !f.in_force())))
}

fn tell_due(question: &Question<'_>, known: &Evidence, found: &Found<'_>, answer: &mut Answer) {
    let in_force = found.in_force();
    answer.due = in_force;
    answer
        .text
        .push(words::due(question, found.table, found.at, in_force));
    if !in_force {
        answer
            .text
            .push(words::not_in_force(question, &found.version.planned));
    }
    let dst = words::clock_change(question, found.table, Some(found.at));
    answer.text.extend(dst);
    tell_instant(question, known, found, answer);
}

/// What became, or will become, of an instant.
fn tell_instant(question: &Question<'_>, known: &Evidence, found: &Found<'_>, answer: &mut Answer) {
    answer.schedule = Some(found.table.schedule.text().to_owned());
    answer.planned_at = Some(found.at);
    let excluded = found.table.excluded(found.at);
    let of_it = |row: &&FireRow| {
        row.schedule == found.version.planned.id
            && row.planned_at <= found.at
            && found.at <= row.until
    };
    if let Some(row) = known.fires.iter().find(of_it) {
        return tell_row(question, known, row, answer);
    }
    if let Some(why) = excluded {
        answer
            .text
            .push(format!("its calendar excludes that instant: {why}"));
        answer.reason = Some(why);
    }
    if found.in_force() {
        answer.text.extend(words::undecided(question, found.at));
    }
}

fn tell_row(question: &Question<'_>, known: &Evidence, row: &FireRow, answer: &mut Answer) {
    answer.schedule.get_or_insert_with(|| row.expr.clone());
    answer.planned_at.get_or_insert(row.planned_at);
    answer.verdict = Some(row.verdict);
    answer.run = row.run;
    answer.reason = words::reason(row);
    answer.text.extend(words::ledger(question, row));
    let run = row
        .run
        .and_then(|id| known.runs.iter().find(|run| run.run == id));
    if let Some(run) = run {
        answer.text.push(words::run(run, question.zone));
    }
}

fn tell_not_due(question: &Question<'_>, known: &Evidence, answer: &mut Answer) {
    answer.text.push(words::not_due(question));
    let last = question.at + question.width - 1;
    let asked: Vec<&Version> = {
        let then = known.versions.iter().filter(|v| v.in_force(last));
        let then: Vec<&Version> = then.collect();
        let now = || known.versions.iter().filter(|v| v.is_current()).collect();
        if then.is_empty() { now() } else { then }
    };
    if asked.is_empty() {
        answer
            .text
            .push(words::no_schedule(known.versions.is_empty()));
    }
    for version in &asked {
        match &version.table {
            Err(error) => {
                let expr = &version.planned.expr;
                answer
                    .text
                    .push(format!("`{expr}` cannot be read: {error}"));
            }
            Ok(table) => {
                if !version.in_force(last) {
                    answer
                        .text
                        .push(words::not_in_force(question, &version.planned));
                }
                answer.text.extend(words::why_not(question, table));
                answer
                    .text
                    .extend(words::clock_change(question, table, None));
                answer.text.push(words::around(question, table));
            }
        }
    }
    let asked = asked.into_iter();
    if let Some(found) = nearest(question, asked) {
        answer.text.push(words::nearest(question, found.at));
        tell_instant(question, known, &found, answer);
    }
}

/// The instant of a version in force that is nearest to the one asked for, if it is near.
fn nearest<'a>(
    question: &Question<'_>,
    versions: impl Iterator<Item = &'a Version>,
) -> Option<Found<'a>> {
    let last = question.at + question.width - 1;
    versions
        .filter_map(|version| Some((version, version.table.as_ref().ok()?)))
        .flat_map(|(version, table)| {
            let ends = [table.prev_before(question.at), table.next_after(last)];
            let found = move |at| Found { version, table, at };
            ends.into_iter().flatten().map(found)
        })
        .filter(|found| found.in_force() && (found.at - question.at).abs() <= NEAR)
        .min_by_key(|found| (found.at - question.at).abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ScheduleId, Terms};
    use crate::schedule::{ParseOptions, Schedule};

    const HOUR: i64 = 3_600_000;

    /// A version of `30 * * * *` in UTC that holds from `from` to `until`.
    fn version(id: i64, from: UnixMs, until: Option<UnixMs>) -> Version {
        let expr = "30 * * * *";
        let schedule = Schedule::parse(expr, &ParseOptions::default()).unwrap();
        Version {
            planned: Planned {
                id: ScheduleId(id),
                expr: expr.to_owned(),
                from,
                until,
                ..Planned::default()
            },
            table: Ok(Timetable::new(schedule, &Terms::default(), 0)),
        }
    }

    fn row(id: i64, at: UnixMs, verdict: Verdict) -> FireRow {
        FireRow {
            job: "a".to_owned(),
            schedule: ScheduleId(id),
            expr: "30 * * * *".to_owned(),
            planned_at: at,
            verdict,
            run: None,
            blocked_by: None,
            late_ms: 5,
            reason: None,
            note: None,
            decided_at: at + 5,
            count: 1,
            until: at,
        }
    }

    fn ask(at: UnixMs, known: &Evidence) -> Answer {
        let question = Question {
            job: "a",
            at,
            width: 60_000,
            skipped: None,
            pauses: &[],
            zone: &Zone::utc(),
            now: 100 * HOUR,
        };
        answer(&question, known)
    }

    #[test]
    fn the_row_is_that_of_the_version_that_was_in_force() {
        let at = 5 * HOUR + HOUR / 2;
        let known = Evidence {
            versions: vec![version(1, 0, Some(9 * HOUR)), version(2, 9 * HOUR, None)],
            fires: vec![row(2, at, Verdict::Run), row(1, at, Verdict::Overlap)],
            runs: Vec::new(),
        };
        let told = ask(at, &known);
        assert!(told.due);
        assert_eq!(told.verdict, Some(Verdict::Overlap));
        // A minute is meant, not its first instant alone.
        assert_eq!(told.planned_at, Some(at));
    }

    #[test]
    fn a_row_of_many_instants_stands_for_each_of_them() {
        let folded = FireRow {
            count: 4,
            until: 5 * HOUR + HOUR / 2,
            ..row(1, 2 * HOUR + HOUR / 2, Verdict::Missed)
        };
        let known = Evidence {
            versions: vec![version(1, 0, None)],
            fires: vec![folded],
            runs: Vec::new(),
        };
        let told = ask(4 * HOUR + HOUR / 2, &known);
        assert_eq!(told.verdict, Some(Verdict::Missed));
        assert!(told.text.iter().any(|l| l.contains("stands for 4 fires")));
    }

    #[test]
    fn the_nearest_instant_is_told_of_where_none_is_meant() {
        let known = Evidence {
            versions: vec![version(1, 0, None)],
            fires: vec![row(1, 5 * HOUR + HOUR / 2, Verdict::Paused)],
            runs: Vec::new(),
        };
        let told = ask(5 * HOUR + 2 * HOUR / 3, &known);
        assert!(!told.due);
        assert_eq!(told.planned_at, Some(5 * HOUR + HOUR / 2));
        assert_eq!(told.verdict, Some(Verdict::Paused));
        let nearest = "the nearest is Thu 1970-01-01 05:30:00 UTC, 10m earlier".to_owned();
        assert!(told.text.contains(&nearest), "{:?}", told.text);
    }

    #[test]
    fn before_it_was_defined_nothing_was_due() {
        let known = Evidence {
            versions: vec![version(1, 50 * HOUR, None)],
            ..Evidence::default()
        };
        let told = ask(5 * HOUR + HOUR / 2, &known);
        assert!(!told.due);
        assert!(
            told.text[0].contains("would have been due"),
            "{:?}",
            told.text
        );
        assert_eq!(ask(5 * HOUR, &Evidence::default()).verdict, None);
    }
}
