//! What lies over a screen: questions, the help, what a command said.

use ratatui::layout::Rect;

use crate::tui::keymap::HELP;
use crate::tui::paint::Pen;
use crate::tui::state::{Confirm, Modal};
use crate::tui::theme::Role;
use crate::view::text::columns;

/// Paints it.
pub fn draw(modal: &Modal, pen: &mut Pen<'_>) {
    match modal {
        Modal::Confirm(confirm) => question(confirm, pen),
        Modal::PauseFor(jobs) => pause(jobs, pen),
        Modal::Help => help(pen),
        Modal::Said(line, words, from) => said(line, words, *from, pen),
        Modal::Filter(_) | Modal::Palette(_) => {}
    }
}

/// An area in the middle.
fn middle(pen: &Pen<'_>, width: usize, height: usize) -> Rect {
    let area = pen.area();
    let narrow = |n: usize, most: u16| u16::try_from(n).unwrap_or(most).min(most);
    let (width, height) = (narrow(width, area.width), narrow(height, area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

fn question(confirm: &Confirm, pen: &mut Pen<'_>) {
    let commands: Vec<String> = confirm
        .commands
        .iter()
        .map(|argv| format!("crake {}", argv.join(" ")))
        .collect();
    let shown = commands.len().min(4);
    let mut lines: Vec<(String, Role)> = vec![(confirm.title.clone(), Role::Head)];
    lines.extend(confirm.lines.iter().map(|line| (line.clone(), Role::Plain)));
    lines.extend(
        commands
            .iter()
            .take(shown)
            .map(|line| (line.clone(), Role::Dim)),
    );
    if commands.len() > shown {
        lines.push((format!("and {} more", commands.len() - shown), Role::Dim));
    }
    let wide = lines
        .iter()
        .map(|(text, _)| columns(text))
        .max()
        .unwrap_or(0);
    let area = middle(pen, wide.max(44) + 4, lines.len() + 4);
    let inside = pen.on(area).frame("Confirm");
    let mut pen = pen.on(inside);
    // The answers are always in sight, however little room there is.
    let last = pen.height().saturating_sub(1);
    for (y, (text, role)) in lines.iter().take(last).enumerate() {
        pen.text(0, y, pen.width(), text, *role);
    }
    let yes = format!("yes, {}", confirm.yes);
    pen.pieces(
        0,
        last,
        &[
            ("[N] no, do nothing", Role::Key),
            ("    y ", Role::Key),
            (&yes, Role::Plain),
        ],
    );
}

fn pause(jobs: &[String], pen: &mut Pen<'_>) {
    let names = jobs.join(", ");
    let title = format!("Pause {names}: for how long?");
    let area = middle(pen, columns(&title).clamp(44, 100) + 4, 8);
    let inside = pen.on(area).frame("Pause");
    let mut pen = pen.on(inside);
    pen.text(0, 0, pen.width(), &title, Role::Head);
    let text = "fires are recorded as paused and not run";
    pen.text(0, 1, pen.width(), text, Role::Dim);
    for (y, (key, what)) in [("1", "an hour"), ("t", "today"), ("u", "until resumed")]
        .into_iter()
        .enumerate()
    {
        pen.pieces(
            0,
            y + 2,
            &[(key, Role::Key), ("  ", Role::Plain), (what, Role::Plain)],
        );
    }
    pen.pieces(0, 5, &[("[N] no, do nothing", Role::Key)]);
}

fn help(pen: &mut Pen<'_>) {
    let area = middle(pen, 78, HELP.len() + 2);
    let inside = pen.on(area).frame("Help (any key closes)");
    let mut pen = pen.on(inside);
    for (y, (what, keys)) in HELP.iter().enumerate() {
        pen.text(0, y, 8, what, Role::Head);
        pen.text(9, y, pen.width().saturating_sub(9), keys, Role::Plain);
    }
}

fn said(line: &str, words: &[String], from: usize, pen: &mut Pen<'_>) {
    let (width, height) = (
        pen.width().saturating_sub(4),
        pen.height().saturating_sub(2),
    );
    let wide = words.iter().map(|l| columns(l)).max().unwrap_or(0);
    let area = middle(
        pen,
        wide.clamp(40, width.max(40)) + 4,
        (words.len() + 2).min(height.max(3)),
    );
    let inside = pen
        .on(area)
        .frame(&format!("{line} (j k move, Esc closes)"));
    let mut pen = pen.on(inside);
    let from = from.min(words.len().saturating_sub(pen.height()));
    for (y, text) in words.iter().skip(from).take(pen.height()).enumerate() {
        pen.text(0, y, pen.width(), text, Role::Plain);
    }
}
