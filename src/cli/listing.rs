//! What the listings share: how wide they may be, and how times stand in them.

use crate::cli::context::Context;
use crate::schedule::UnixMs;
use crate::view::time::stamp;

/// The width to cut listings to: that of the terminal, where standard output is one.
pub fn width(ctx: &Context) -> Option<usize> {
    if !ctx.on_terminal() {
        return None;
    }
    let size = crossterm::terminal::size().ok()?;
    Some(usize::from(size.0)).filter(|columns| *columns > 0)
}

/// An instant in a column.
pub fn at(ctx: &Context, at: Option<UnixMs>, now: UnixMs) -> String {
    at.map_or(String::new(), |at| stamp(at, &ctx.zone, now))
}
