//! What bounds a schedule, as keys of a definition in TOML.

use serde::{Deserialize, Serialize};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::{read_schedule, terms};
use crate::model::{Keep, ShiftTo, Terms, format_duration, parse_duration};
use crate::schedule::Zone;
use crate::store::NewSchedule;
use crate::view::time::rfc3339;

/// The keys; one left out bounds nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TermKeys {
    pub calendar: Option<String>,
    pub shift: Option<ShiftTo>,
    pub jitter: Option<String>,
    pub start: Option<String>,
    pub end: Option<String>,
    pub max_fires: Option<u32>,
}

/// The keys of a schedule.
///
/// # Errors
/// A zone that is no longer known.
pub fn keys_of(ctx: &Context, new: &NewSchedule) -> Result<TermKeys, CliError> {
    let terms = &new.terms;
    let zone = read_schedule::zone_of(ctx, new.zone.as_deref())?;
    let at = |at| rfc3339(at, &zone);
    Ok(TermKeys {
        calendar: terms.calendar.clone(),
        shift: terms.shift,
        jitter: (terms.jitter_ms > 0).then(|| format_duration(terms.jitter_ms)),
        start: terms.start_at.map(at),
        end: terms.end_at.map(at),
        max_fires: terms.max_fires.and_then(|most| u32::try_from(most).ok()),
    })
}

impl TermKeys {
    /// The same with the keys of another in the place of those left out.
    pub fn or(self, other: &TermKeys) -> TermKeys {
        TermKeys {
            calendar: self.calendar.or_else(|| other.calendar.clone()),
            shift: self.shift.or(other.shift),
            jitter: self.jitter.or_else(|| other.jitter.clone()),
            start: self.start.or_else(|| other.start.clone()),
            end: self.end.or_else(|| other.end.clone()),
            max_fires: self.max_fires.or(other.max_fires),
        }
    }

    /// Bounds a schedule by them.
    ///
    /// # Errors
    /// A value that is none.
    pub fn bound(&self, ctx: &Context, new: &mut NewSchedule, seed: i64) -> Result<(), CliError> {
        let wrong =
            |key: &str, text: String| CliError::new(Kind::Invalid, format!("{key}: {text}"));
        let instant = |key: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => match terms::instant(ctx, new, text) {
                Ok(at) => Ok(Some(at)),
                Err(error) => Err(wrong(key, error.message)),
            },
        };
        let jitter = self.jitter.as_deref().map(parse_duration).transpose();
        if self.max_fires == Some(0) {
            return Err(wrong("max_fires", "write 1 or more".to_owned()));
        }
        new.terms = Terms {
            calendar: self.calendar.clone(),
            shift: self.shift,
            jitter_ms: jitter
                .map_err(|e| wrong("jitter", e.to_string()))?
                .unwrap_or(0),
            start_at: instant("start", &self.start)?,
            end_at: instant("end", &self.end)?,
            max_fires: self.max_fires.map(i64::from),
            seed,
        };
        Ok(())
    }
}

/// The name of a zone; none for the host's own.
///
/// # Errors
/// One that is not known.
pub fn zone_name(name: Option<&str>) -> Result<Option<String>, CliError> {
    match name {
        None | Some("system") => Ok(None),
        Some(name) => Ok(Some(Zone::named(name)?.name().to_owned())),
    }
}

/// How long runs are kept.
///
/// # Errors
/// What is no length of time.
pub fn keep_of(
    runs: Option<u32>,
    length: Option<&str>,
    output: Option<u64>,
) -> Result<Keep, CliError> {
    let for_ms = length.map(parse_duration).transpose();
    Ok(Keep {
        runs,
        for_ms: for_ms.map_err(|e| CliError::new(Kind::Invalid, format!("keep_for: {e}")))?,
        output,
    })
}
