//! Words of the screens that hang on the state: times above all.

use crate::schedule::{UnixMs, Zone};
use crate::tui::data::Live;
use crate::tui::state::{State, Times};
use crate::view::time::{clock, in_short, short};
use crate::view::workers::Pace;

/// An instant that has passed.
pub fn past(state: &State, at: Option<UnixMs>) -> String {
    let Some(at) = at else {
        return "-".to_owned();
    };
    match state.times {
        Times::Relative => short(state.now - at),
        _ => on_clock(state, at),
    }
}

/// An instant to come; one that should have come is overdue.
pub fn coming(state: &State, at: Option<UnixMs>) -> String {
    let Some(at) = at else {
        return "-".to_owned();
    };
    match (state.times, at - state.now) {
        (_, left) if left < -60_000 => "OVERDUE".to_owned(),
        (Times::Relative, left) => format!("in {}", short(left)),
        _ => on_clock(state, at),
    }
}

/// An instant on the clock that is chosen.
pub fn on_clock(state: &State, at: UnixMs) -> String {
    match state.times {
        Times::Utc => in_short(at, state.now, &Zone::utc()),
        _ => in_short(at, state.now, &state.setting.zone),
    }
}

/// The time of day on the clock that is chosen.
pub fn of_day(state: &State, at: UnixMs) -> String {
    match state.times {
        Times::Utc => clock(at, &Zone::utc()),
        _ => clock(at, &state.setting.zone),
    }
}

/// How long a run that is not over has been alive, or waits.
pub fn age_ms(state: &State, live: &Live) -> i64 {
    let since = live.run.started_at.or(live.run.queued_at);
    since.map_or(0, |at| (state.now - at).max(0))
}

/// What is unusual about a run that is alive.
pub fn of_pace(pace: Pace) -> &'static str {
    match pace {
        Pace::Usual => "",
        Pace::Overrun => "past its next fire",
        Pace::Stuck => "stuck? past two of its next fires",
    }
}

/// A bar of a run's time against its job's usual time.
pub fn bar(age_ms: i64, usual_ms: Option<i64>, width: usize) -> String {
    let Some(usual) = usual_ms.filter(|ms| *ms > 0) else {
        return " ".repeat(width);
    };
    if age_ms > usual && width > 0 {
        return format!("{}>", "█".repeat(width - 1));
    }
    let wide = i64::try_from(width).unwrap_or(0);
    let filled = usize::try_from(age_ms * wide / usual)
        .unwrap_or(0)
        .min(width);
    format!("{}{}", "█".repeat(filled), "░".repeat(width - filled))
}

/// The heights of a bar, from low to high.
pub const HEIGHTS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// The height that shows a number among those up to `most`, on a logarithmic scale.
pub fn height(number: u64, most: u64) -> &'static str {
    let log = |n: u64| (n.max(1) as f64).ln();
    let share = if most > 1 {
        log(number) / log(most)
    } else {
        1.0
    };
    let step = (share * 7.0).round().clamp(0.0, 7.0);
    HEIGHTS.get(step as usize).copied().unwrap_or("█")
}
