//! Listings on a screen: columns that are dropped by priority where there is no room.

use crate::tui::paint::Pen;
use crate::tui::theme::Role;
use crate::view::text::columns as wide;

/// What a cell shows: pieces one after the other.
pub type Cell = Vec<(String, Role)>;

/// A column of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// The fewest columns of the terminal it is of use with.
    pub least: usize,
    /// The most it can use.
    pub most: usize,
    /// The higher, the sooner it is dropped; 0 never is.
    pub rank: u8,
    /// Whether it is set to the right.
    pub right: bool,
}

impl Column {
    /// A column set to the left.
    pub const fn new(title: &'static str, least: usize, most: usize, rank: u8) -> Column {
        Column {
            title,
            least,
            most,
            rank,
            right: false,
        }
    }

    /// The same, set to the right.
    pub const fn right(self) -> Column {
        Column {
            right: true,
            ..self
        }
    }
}

/// Blanks between columns.
const GAP: usize = 1;

/// Where each column begins and how wide it is; none where it is dropped.
pub fn fit(columns: &[Column], width: usize) -> Vec<Option<(usize, usize)>> {
    let mut kept: Vec<bool> = vec![true; columns.len()];
    let least = |kept: &[bool]| -> usize {
        let shown = columns.iter().zip(kept).filter(|(_, kept)| **kept);
        shown.map(|(column, _)| column.least + GAP).sum()
    };
    while least(&kept) > width + GAP {
        let shown = columns.iter().enumerate().filter(|(i, _)| kept[*i]);
        match shown.max_by_key(|(i, column)| (column.rank, *i)) {
            Some((i, column)) if column.rank > 0 => kept[i] = false,
            _ => break,
        }
    }
    let mut widths: Vec<usize> = columns.iter().map(|column| column.least).collect();
    let mut spare = (width + GAP).saturating_sub(least(&kept));
    // Columns that can use more are given it in turn, so that none takes all.
    while spare > 0 {
        let before = spare;
        for (i, column) in columns.iter().enumerate() {
            if kept[i] && widths[i] < column.most && spare > 0 {
                widths[i] += 1;
                spare -= 1;
            }
        }
        if spare == before {
            break;
        }
    }
    let mut at = 0;
    let place = |(i, kept): (usize, &bool)| {
        kept.then(|| {
            let begin = at;
            at += widths[i] + GAP;
            (begin, widths[i])
        })
    };
    kept.iter().enumerate().map(place).collect()
}

/// Writes the headings; the column it is sorted by is marked.
pub fn headings(
    pen: &mut Pen<'_>,
    x: usize,
    y: usize,
    columns: &[Column],
    sorted: Option<(usize, bool)>,
) {
    let places = fit(columns, pen.width().saturating_sub(x));
    for (i, (column, place)) in columns.iter().zip(places).enumerate() {
        let Some((at, width)) = place else {
            continue;
        };
        let title = match sorted {
            Some((by, reverse)) if by == i => {
                format!("{} {}", column.title, if reverse { '^' } else { 'v' })
            }
            _ => column.title.to_owned(),
        };
        put(pen, x + at, y, width, column.right, &[(title, Role::Head)]);
    }
}

/// Writes a row.
pub fn row(pen: &mut Pen<'_>, x: usize, y: usize, columns: &[Column], cells: &[Cell]) {
    let places = fit(columns, pen.width().saturating_sub(x));
    for ((column, place), cell) in columns.iter().zip(places).zip(cells) {
        if let Some((at, width)) = place {
            put(pen, x + at, y, width, column.right, cell);
        }
    }
}

fn put(pen: &mut Pen<'_>, x: usize, y: usize, width: usize, right: bool, cell: &[(String, Role)]) {
    let total: usize = cell.iter().map(|(text, _)| wide(text)).sum();
    let mut at = if right {
        x + width.saturating_sub(total)
    } else {
        x
    };
    let end = x + width;
    for (text, role) in cell {
        at += pen.text(at, y, end.saturating_sub(at), text, *role);
    }
}

/// A cell of one piece.
pub fn cell(text: impl Into<String>, role: Role) -> Cell {
    vec![(text.into(), role)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column::new("JOB", 8, 20, 0),
        Column::new("AGO", 4, 4, 1),
        Column::new("WHY", 10, 40, 2),
    ];

    #[test]
    fn columns_are_dropped_by_rank_and_the_rest_takes_the_room() {
        let shown = |width| {
            fit(&COLUMNS, width)
                .iter()
                .map(|p| p.map(|(_, w)| w))
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(24), [Some(8), Some(4), Some(10)]);
        assert_eq!(shown(23), [Some(18), Some(4), None]);
        assert_eq!(shown(12), [Some(12), None, None]);
        assert_eq!(shown(2), [Some(8), None, None]);
        assert_eq!(shown(200), [Some(20), Some(4), Some(40)]);
    }
}
