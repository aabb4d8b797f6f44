//! What is wrong with a line: the cron's own words, the place, and an explanation.

use crate::crontab::field::Field;
use crate::crontab::list::FaultKind;

/// Why a line is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The cron's own words, such as `bad minute`.
    pub reason: &'static str,
    /// The time field at fault.
    pub field: Option<Field>,
    /// Where in the line, counted in bytes from 1.
    pub column: usize,
    /// What is wrong, in our words.
    pub explanation: String,
}

#[derive(Debug)]
pub(crate) enum Reason {
    Field(FaultKind),
    Nickname(String),
    NoCommand,
    SixthStar,
    CommandTooLong { limit: usize, found: usize },
    MinusNotAllowed,
    Option,
}

impl Problem {
    /// Describes `reason` at the byte `at` of the line, counted from 0.
    pub(crate) fn new(reason: Reason, field: Option<Field>, at: usize) -> Problem {
        let explanation = match (&reason, field) {
            (Reason::Field(kind), Some(field)) => explain_field(kind, field),
            _ => explain(&reason),
        };
        Problem {
            reason: cron_words(&reason, field),
            field,
            column: at + 1,
            explanation,
        }
    }
}

/// The message of the originals for each reason.
fn cron_words(reason: &Reason, field: Option<Field>) -> &'static str {
    match (reason, field) {
        (Reason::Field(_), Some(Field::Minute) | None) => "bad minute",
        (Reason::Field(_), Some(Field::Hour)) => "bad hour",
        (Reason::Field(_), Some(Field::DayOfMonth)) => "bad day-of-month",
        (Reason::Field(_), Some(Field::Month)) => "bad month",
        (Reason::Field(_), Some(Field::DayOfWeek)) => "bad day-of-week",
        (Reason::Nickname(_), _) => "bad time specifier",
        (Reason::NoCommand | Reason::SixthStar, _) => "bad command",
        (Reason::CommandTooLong { .. }, _) => "command too long",
        (Reason::MinusNotAllowed | Reason::Option, _) => "bad option",
    }
}

fn explain(reason: &Reason) -> String {
    match reason {
        Reason::Field(_) => "not a valid time field".to_owned(),
        Reason::Nickname(word) => format!(
            "`@{}` is not one of @reboot, @yearly, @annually, @monthly, @weekly, @daily, \
             @midnight, @hourly (lower case only)",
            word.escape_debug()
        ),
        Reason::NoCommand => "there is no command after the schedule".to_owned(),
        Reason::SixthStar => "the command starts with `*`: one star too many".to_owned(),
        Reason::CommandTooLong { limit, found } => {
            format!("the command has {found} bytes; this cron takes at most {limit}")
        }
        Reason::MinusNotAllowed => {
            "a leading `-` (do not log) is allowed only in root's and system tables".to_owned()
        }
        Reason::Option => "the only option before a command is one `-n` and a blank".to_owned(),
    }
}

fn explain_field(kind: &FaultKind, field: Field) -> String {
    let (low, high) = (field.low(), field.high());
    match kind {
        FaultKind::Missing if field.names().is_empty() => {
            format!("expected a {field} from {low} to {high} or `*`")
        }
        FaultKind::Missing => {
            format!("expected a {field} from {low} to {high}, a three-letter name or `*`")
        }
        FaultKind::NotANumber(word) => {
            let word = String::from_utf8_lossy(word);
            let names = field.names();
            match (names.first(), names.last()) {
                (Some(first), Some(last)) => {
                    format!("`{word}` is neither a number nor a name from {first} to {last}")
                }
                _ => format!("`{word}` is not a number"),
            }
        }
        FaultKind::StepOnSingleValue => {
            format!("a step needs a range or `*`: write `n-{high}/step`, not `n/step`")
        }
        FaultKind::ZeroStep => "a step must be at least 1".to_owned(),
        FaultKind::OutOfRange(value) => {
            format!("{value} is outside {low}-{high}, the values of the {field}")
        }
        FaultKind::ReversedRandom => "the first value of `~` is above the last".to_owned(),
        FaultKind::Junk(byte) => {
            format!("`{}` does not belong in the {field}", byte.escape_ascii())
        }
        FaultKind::ByteFf => "the byte 0xFF reads as the end of the file here".to_owned(),
    }
}
