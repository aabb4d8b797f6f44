//! What fits on the smallest terminals: two lines of counts.

use crate::tui::paint::Pen;
use crate::tui::state::State;
use crate::tui::theme::Role;

/// Paints them.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let (daemon, role) = if state.is_down() {
        ("DAEMON DOWN ", Role::Bad)
    } else {
        ("", Role::Plain)
    };
    let Some(status) = &state.data.status else {
        pen.pieces(0, 0, &[(daemon, role), ("crake", Role::Head)]);
        return;
    };
    let alerts = status.attention.len();
    let role_of_alerts = if alerts > 0 { Role::Warn } else { Role::Good };
    let alerts = format!("{alerts} need attention");
    pen.pieces(0, 0, &[(daemon, role), (&alerts, role_of_alerts)]);
    let counts = format!(
        "{} run {} queued {} ok {} fail {} missed",
        status.counts.running,
        status.counts.queued,
        status.today.succeeded,
        status.today.failed,
        status.today.missed
    );
    pen.pieces(0, 1, &[(&counts, Role::Plain)]);
}
