//! The watches: queries that start jobs.

use crate::tui::paint::Pen;
use crate::tui::theme::Role;

/// Paints it.
pub fn draw(pen: &mut Pen<'_>) {
    pen.rule(0, &[("WATCHES", Role::Head)], "");
    let room = pen.width().saturating_sub(2);
    pen.text(2, 1, room, "There are no watches yet.", Role::Plain);
    let text = "A watch asks a database at intervals and starts a job for what it finds.";
    pen.text(2, 2, room, text, Role::Dim);
}
