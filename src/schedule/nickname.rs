//! `@daily` and its like, and what is said about text that is no schedule at all.

use crate::schedule::ParseOptions;
use crate::schedule::crontab;
use crate::schedule::error::{Cursor, FieldName, ScheduleError, Word, split_words};
use crate::schedule::fields::Fields;

/// The nicknames of crontab(5) and the fields they stand for; `@midnight` is known to the code of
/// cronie though not to its manual page.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
const REBOOT: &str = "@reboot";

/// Reads a nickname; `None` is `@reboot`. Crons compare them in lower case only.
pub(crate) fn parse(
    text: &str,
    words: &[Word<'_>],
    options: &ParseOptions,
) -> Result<Option<Fields>, ScheduleError> {
    let [nickname, rest @ ..] = words else {
        return Err(wrong_count(text, words));
    };
    let known = NICKNAMES.iter().find(|(name, _)| *name == nickname.text);
    if known.is_none() && nickname.text != REBOOT {
        return Err(unknown(text, *nickname));
    }
    if let [after, ..] = rest {
        return Err(Cursor::new(text, *after, None).wrong_here("nothing after a nickname"));
    }
    let Some((_, fields)) = known else {
        return Ok(None);
    };
    match split_words(fields)[..] {
        [a, b, c, d, e] => crontab::parse(fields, &[a, b, c, d, e], options).map(Some),
        _ => Err(unknown(text, *nickname)),
    }
}

fn unknown(text: &str, nickname: Word<'_>) -> ScheduleError {
    let error = Cursor::new(text, nickname, None)
        .wrong_here("@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually or @reboot");
    let lower = nickname.text.to_lowercase();
    if lower == "@every" {
        return error.with_hint("write every 15m, without the @");
    }
    let names = NICKNAMES.iter().map(|(name, _)| *name).chain([REBOOT]);
    let near = names
        .map(|name| (strsim::jaro_winkler(&lower, name), name))
        .filter(|(likeness, _)| *likeness >= 0.85)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match near {
        Some((_, name)) if name == lower => {
            error.with_hint(format!("nicknames are written in lower case: {name}"))
        }
        Some((_, name)) => error.with_hint(format!("did you mean {name}?")),
        None => error,
    }
}

/// Says that a text has too few or too many words to be a schedule.
pub(crate) fn wrong_count(text: &str, words: &[Word<'_>]) -> ScheduleError {
    const FORMS: &str = "a schedule has five fields, six with seconds or seven with years; or write \
                         @daily, every 15m, at 2027-01-31T08:00:00Z";
    if let Some(eighth) = words.get(7) {
        let error = Cursor::new(text, *eighth, None).wrong_here("at most seven fields");
        return error.with_hint(format!("{FORMS}. A command is no part of the schedule"));
    }
    let end = Word {
        text: "",
        column: text.chars().count() + 1,
    };
    let field = crontab::missing_field(words.len());
    let error = Cursor::new(text, end, Some(field)).wrong_here(match field {
        FieldName::Hour => "an hour field".to_owned(),
        field => format!("a {field} field"),
    });
    match words {
        [word] if NICKNAMES.iter().any(|(name, _)| name[1..] == *word.text) => {
            error.with_hint(format!("did you mean @{}?", word.text))
        }
        _ => error.with_hint(FORMS),
    }
}
