//! Keys and what they mean: one letter means one thing on every screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::state::Tab;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Move by so many rows.
    Move(i32),
    /// Move by half a screen.
    Half(i32),
    /// Move by a screen.
    Whole(i32),
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// Into what is selected.
    Open,
    /// Back.
    Back,
    /// Leave the dashboard.
    Quit,
    /// To a screen.
    Go(Tab),
    /// To the next or the previous screen.
    Step(i32),
    /// Write a filter; in output, search.
    Find,
    /// To the next or the previous line found.
    Found(i32),
    /// Show only problems, or all.
    Problems,
    /// Hold the screen still, or let it go on.
    Freeze,
    /// Mark the row, or unmark it.
    Mark,
    /// Sort by the next column.
    Sort,
    /// Sort the other way round.
    Reverse,
    /// Show times in another form.
    Times,
    /// The other form of the screen.
    View,
    /// Wrap long lines, or cut them.
    Wrap,
    /// Copy what names the row.
    Copy,
    /// Copy what the row says.
    CopyLine,
    /// The output.
    Log,
    /// The missed fires of the job.
    Missed,
    /// The output in a pager.
    Pager,
    /// Write a command.
    Palette,
    /// Help.
    Help,
    /// Paint anew.
    Redraw,
    /// Stop as a job of the shell.
    Suspend,
    /// Something that changes the world.
    Act(Deed),
}

/// Something that changes the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Run the job now.
    Run,
    /// Do the run again.
    Retry,
    /// End the run, or take it back.
    Kill,
    /// Pause the job, or resume it.
    Pause,
    /// Acknowledge.
    Ack,
    /// One run for what was missed.
    CatchUp,
    /// A run for each missed fire.
    CatchUpAll,
    /// Edit the definition.
    Edit,
    /// Let the worker finish and leave.
    Drain,
    /// Poll the watch now.
    Poll,
    /// Ask once for the watch, and show what would be delivered.
    Try,
    /// Pause the watch, or resume it.
    PauseWatch,
    /// Let the watch begin anew.
    Reset,
    /// Explain; changes nothing, and is a command all the same.
    Explain,
}

/// What a key means outside of fields to write in.
pub fn wish(key: &KeyEvent) -> Option<Wish> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return with_control(key.code);
    }
    let wish = match key.code {
        KeyCode::Up => Wish::Move(-1),
        KeyCode::Down => Wish::Move(1),
        KeyCode::PageUp => Wish::Whole(-1),
        KeyCode::PageDown => Wish::Whole(1),
        KeyCode::Home => Wish::First,
        KeyCode::End => Wish::Last,
        KeyCode::Enter | KeyCode::Right => Wish::Open,
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace => Wish::Back,
        KeyCode::Tab => Wish::Step(1),
        KeyCode::BackTab => Wish::Step(-1),
        KeyCode::Char(letter) => return of_letter(letter),
        _ => return None,
    };
    Some(wish)
}

/// What a key means on the screens of watches, where it means something of its own.
pub fn wish_on_watches(key: &KeyEvent) -> Option<Wish> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return None;
    }
    let deed = match key.code {
        KeyCode::Char('p') => Deed::Poll,
        KeyCode::Char('d') => Deed::Try,
        KeyCode::Char(' ') => Deed::PauseWatch,
        KeyCode::Char('R') => Deed::Reset,
        _ => return None,
    };
    Some(Wish::Act(deed))
}

fn with_control(code: KeyCode) -> Option<Wish> {
    let KeyCode::Char(letter) = code else {
        return None;
    };
    Some(match letter.to_ascii_lowercase() {
        'c' => Wish::Quit,
        'd' => Wish::Half(1),
        'u' => Wish::Half(-1),
        'f' => Wish::Whole(1),
        'b' => Wish::Whole(-1),
        'l' => Wish::Redraw,
        'z' => Wish::Suspend,
        'h' => Wish::Back,
        _ => return None,
    })
}

fn of_letter(letter: char) -> Option<Wish> {
    if let Some(tab) = letter
        .to_digit(10)
        .and_then(|n| Tab::ALL.get((n as usize).wrapping_sub(1)))
    {
        return Some(Wish::Go(*tab));
    }
    Some(match letter {
        'j' => Wish::Move(1),
        'k' => Wish::Move(-1),
        'g' => Wish::First,
        'G' => Wish::Last,
        'q' => Wish::Quit,
        '/' => Wish::Find,
        'n' => Wish::Found(1),
        'N' => Wish::Found(-1),
        '*' => Wish::Problems,
        'f' => Wish::Freeze,
        ' ' => Wish::Mark,
        's' => Wish::Sort,
        'S' => Wish::Reverse,
        't' => Wish::Times,
        'v' => Wish::View,
        'w' => Wish::Wrap,
        'y' => Wish::Copy,
        'Y' => Wish::CopyLine,
        'l' => Wish::Log,
        'm' => Wish::Missed,
        '|' => Wish::Pager,
        ':' => Wish::Palette,
        '?' => Wish::Help,
        'r' => Wish::Act(Deed::Run),
        'R' => Wish::Act(Deed::Retry),
        'K' => Wish::Act(Deed::Kill),
        'p' => Wish::Act(Deed::Pause),
        'a' => Wish::Act(Deed::Ack),
        'c' => Wish::Act(Deed::CatchUp),
        'C' => Wish::Act(Deed::CatchUpAll),
        'e' => Wish::Act(Deed::Edit),
        'D' => Wish::Act(Deed::Drain),
        'T' => Wish::Act(Deed::Poll),
        'x' => Wish::Act(Deed::Explain),
        _ => return None,
    })
}

/// The keys as the help shows them: what for, and which.
pub const HELP: &[(&str, &str)] = &[
    ("move", "j k / arrows, g G, Ctrl-d Ctrl-u, PgUp PgDn"),
    ("screens", "1..7, Tab, Enter open, Esc back"),
    ("find", "/ filter or search, n N next, * only problems"),
    ("order", "s sort by next column, S the other way, f freeze"),
    ("act", "r run  R retry  K kill  p pause or resume  e edit"),
    (
        "",
        "c catch up one  C all  a ack  D drain  T poll  x explain",
    ),
    ("many", "Space mark; an action applies to all marked rows"),
    (
        "watches",
        "p poll now  d dry run  Space pause  R begin anew",
    ),
    ("look", "l log  m missed  v other view  w wrap  | pager"),
    ("", "t times: ago, local, UTC   y copy id   Y copy line"),
    (
        "app",
        ": command  ? help  Ctrl-l redraw  Ctrl-z suspend  q quit",
    ),
    (
        "signs",
        "! urgent ~ warning ● run ○ queued ✓ ok ✗ fail ? lost - skip = paused",
    ),
];
