//! The output of one attempt.

use crate::model::RunId;
use crate::tui::columns::Cell;
use crate::tui::data::{LogLine, LogPage};
use crate::tui::paint::{Pen, Piece};
use crate::tui::screens::workers::bytes;
use crate::tui::state::State;
use crate::tui::theme::Role;
use crate::tui::words::of_day;
use crate::view::text::{clean_all, columns};
use crate::view::words::{detail, state as word_of};

/// Columns before the text of a line.
const MARGIN: usize = 13;

/// The page that was read, where it is of the run on the screen.
pub fn page(state: &State, run: RunId) -> Option<&LogPage> {
    state.data.log.as_ref().filter(|page| page.run == run)
}

/// Rows of output that are shown.
pub fn shown(state: &State) -> usize {
    state.height().saturating_sub(super::CHROME + 1).max(1)
}

/// Paints it.
pub fn draw(state: &State, run: RunId, pen: &mut Pen<'_>) {
    let Some(page) = page(state, run) else {
        pen.rule(0, &[(&format!("LOG #{run}"), Role::Head)], "");
        pen.text(2, 1, 40, "reading the output", Role::Dim);
        return;
    };
    heading(state, page, pen);
    if let Some(error) = &page.error {
        pen.text(2, 1, pen.width().saturating_sub(2), error, Role::Bad);
        return;
    }
    if page.total == 0 {
        let text = if page.done {
            "it wrote nothing"
        } else {
            "it has written nothing yet"
        };
        pen.text(2, 1, 60, text, Role::Dim);
        return;
    }
    let height = pen.height() - 1;
    let from = state.log.top.max(page.first) - page.first;
    let lines = page.lines.get(from..).unwrap_or_default();
    let room = pen.width().saturating_sub(MARGIN);
    let mut rows: Vec<Cell> = Vec::new();
    for line in lines.iter().take(height) {
        rows.extend(of_line(state, line, room));
    }
    // At the end the last row is in sight, also where lines before it are wrapped.
    let skip = match state.log.follow {
        true => rows.len().saturating_sub(height),
        false => 0,
    };
    for (y, row) in rows.iter().skip(skip).take(height).enumerate() {
        let pieces: Vec<Piece<'_>> = row
            .iter()
            .map(|(text, role)| (text.as_str(), *role))
            .collect();
        pen.pieces(2, y + 1, &pieces);
    }
}

fn heading(state: &State, page: &LogPage, pen: &mut Pen<'_>) {
    let mut head = format!("LOG #{}", page.run);
    if let Some(of) = state.data.run.as_ref().filter(|d| d.run.run == page.run) {
        let run = &of.run;
        head = format!(
            "{head} {} try {}/{} {} {}",
            run.job,
            page.attempt,
            run.max_attempts,
            word_of(run.state),
            detail(run)
        );
    }
    let dropped = match page.dropped {
        0 => String::new(),
        n => format!(", {} not kept", bytes(i64::try_from(n).unwrap_or(i64::MAX))),
    };
    let end = match (page.done, state.log.follow) {
        (true, _) => "whole",
        (false, true) => "following",
        (false, false) => "not following",
    };
    let rest = format!(" - {} lines{dropped}, {end}", page.total);
    let search = match state.log.search.as_str() {
        "" => String::new(),
        words => format!(" - search: {words}"),
    };
    pen.rule(
        0,
        &[
            (head.trim_end(), Role::Head),
            (&rest, Role::Plain),
            (&search, Role::Warn),
        ],
        "",
    );
}

/// The rows of a line: one, or as many as it takes where long lines are wrapped.
fn of_line(state: &State, line: &LogLine, room: usize) -> Vec<Cell> {
    let (mark, role) = if line.err {
        ("E", Role::Bad)
    } else {
        ("|", Role::Dim)
    };
    let text = clean_all(&line.text);
    let parts = if state.log.wrap {
        wrap(&text, room)
    } else {
        vec![text]
    };
    let head = |first: bool| {
        let time = if first {
            of_day(state, line.at)
        } else {
            " ".repeat(8)
        };
        vec![(format!("{time} "), Role::Dim), (format!("{mark} "), role)]
    };
    parts
        .into_iter()
        .enumerate()
        .map(|(i, part)| {
            let mut row = head(i == 0);
            row.extend(found(&part, &state.log.search));
            row
        })
        .collect()
}

/// Cuts text into pieces of at most so many columns.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(2);
    let mut parts = vec![String::new()];
    let mut at = 0;
    for c in text.chars() {
        let wide = columns(c.encode_utf8(&mut [0; 4]));
        if at + wide > room {
            parts.push(String::new());
            at = 0;
        }
        at += wide;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// A text with what was searched for set apart.
fn found(text: &str, search: &str) -> Cell {
    let place = if search.is_empty() {
        None
    } else {
        find_in(text, search)
    };
    match place {
        Some((from, to)) => vec![
            (text[..from].to_owned(), Role::Plain),
            (text[from..to].to_owned(), Role::Warn),
            (text[to..].to_owned(), Role::Plain),
        ],
        None => vec![(text.to_owned(), Role::Plain)],
    }
}

/// Where words stand in a text, whatever the case of their letters.
fn find_in(text: &str, search: &str) -> Option<(usize, usize)> {
    let wanted: Vec<char> = search.chars().flat_map(char::to_lowercase).collect();
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    let same = |c: char, w: char| c.to_lowercase().eq(std::iter::once(w)) || c == w;
    let start = letters
        .windows(wanted.len().max(1))
        .find(|window| window.iter().zip(&wanted).all(|((_, c), w)| same(*c, *w)))?;
    let (last, c) = start.last()?;
    Some((start.first()?.0, last + c.len_utf8()))
}

/// The line, counted over all output, that holds what is searched for: the first after, or the
/// last before a line.
pub fn search(page: &LogPage, search: &str, from: usize, forward: bool) -> Option<usize> {
    let holds = |line: &LogLine| find_in(&clean_all(&line.text), search).is_some();
    let lines = &page.lines;
    let mut numbered = lines
        .iter()
        .enumerate()
        .map(|(i, line)| (page.first + i, line));
    let place = if forward {
        numbered.find(|(number, line)| *number > from && holds(line))
    } else {
        numbered.rfind(|(number, line)| *number < from && holds(line))
    };
    place.map(|(number, _)| number)
}
