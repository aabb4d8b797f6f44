//! An answer on its way to the core, in portions that one message can hold.

use std::collections::VecDeque;

use crate::daemon::poller::message::{Answered, FromPoller};
use crate::model::{Cell, PollId};

/// How many bytes of values make a message, roughly. In the worst case each takes six in JSON, and
/// with a row of the longest that goes whole a message still has not half of what it may have.
const PORTION: usize = 256 << 10;
/// From how many bytes on a row goes in pieces, and the bytes of a piece.
const LONG: usize = 512 << 10;

/// An answer, as far as it is not sent.
pub(in crate::daemon::poller) struct Outgoing {
    poll: PollId,
    rows: VecDeque<Vec<Cell>>,
    /// The rest of a long row, in JSON.
    piece: Option<String>,
    end: Option<Answered>,
}

impl Outgoing {
    /// The rows and what there is to say at their end.
    pub fn new(rows: Vec<Vec<Cell>>, end: Answered) -> Outgoing {
        let end = Answered {
            rows: rows.len() as u64,
            ..end
        };
        Outgoing {
            poll: PollId(end.poll),
            rows: rows.into(),
            piece: None,
            end: Some(end),
        }
    }

    /// The next message; nothing after the last.
    pub fn next(&mut self) -> Option<FromPoller> {
        let poll = self.poll;
        if let Some(text) = self.piece.take() {
            return Some(self.cut(text));
        }
        let mut rows = Vec::new();
        let mut bytes = 0;
        while let Some(row) = self.rows.front()
            && bytes < PORTION
        {
            let size = size_of(row);
            if size >= LONG && !rows.is_empty() {
                break;
            }
            let Some(row) = self.rows.pop_front() else {
                break;
            };
            if size >= LONG {
                // Cells of any kind have a form in JSON, so this does not fail.
                let text = serde_json::to_string(&row).unwrap_or_default();
                return Some(self.cut(text));
            }
            bytes += size;
            rows.push(row);
        }
        if !rows.is_empty() {
            return Some(FromPoller::Rows { poll, rows });
        }
        let answered = Box::new(self.end.take()?);
        Some(FromPoller::Answered { answered })
    }

    fn cut(&mut self, mut text: String) -> FromPoller {
        let mut at = LONG.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let rest = text.split_off(at);
        let last = rest.is_empty();
        self.piece = (!last).then_some(rest);
        FromPoller::Piece {
            poll: self.poll,
            text,
            last,
        }
    }
}

fn size_of(row: &[Cell]) -> usize {
    let cell = |cell: &Cell| match cell {
        Cell::Text(text) => text.len() + 16,
        Cell::Bytes(bytes) => bytes.len() / 3 * 4 + 16,
        Cell::Null | Cell::Bool(_) | Cell::Int(_) | Cell::Real(_) => 32,
    };
    row.iter().map(cell).sum()
}

#[cfg(test)]
mod tests {
    use crate::daemon::poller::assembly::Assembly;
    use crate::daemon::poller::message::{Answered, Ask, FromPoller, Wording};
    use crate::daemon::poller::outgoing::Outgoing;
    use crate::model::{Cell, PollId};
    use crate::process::frame::LONGEST;

    fn ask(max_rows: usize, max_bytes: usize) -> Ask {
        Ask {
            poll: PollId(7),
            watch: "w".to_owned(),
            claim: None,
            query: Wording::default(),
            transactions: false,
            write: false,
            timeout_ms: 1_000,
            max_rows,
            max_bytes,
        }
    }

    fn end(columns: usize) -> Answered {
        Answered {
            poll: 7,
            columns: (0..columns).map(|n| format!("c{n}")).collect(),
            ..Answered::default()
        }
    }

    /// Sends rows through the forms they cross in, and counts the messages.
    fn across(rows: &[Vec<Cell>], columns: usize) -> (Vec<Vec<Cell>>, usize) {
        let mut out = Outgoing::new(rows.to_vec(), end(columns));
        let mut assembly = Assembly::of(&ask(rows.len(), 64 << 20));
        let mut messages = 0;
        loop {
            let bytes = serde_json::to_vec(&out.next().expect("an end")).unwrap();
            assert!(bytes.len() <= LONGEST, "{}", bytes.len());
            messages += 1;
            match serde_json::from_slice(&bytes).unwrap() {
                FromPoller::Rows { rows, .. } => assembly.rows(rows).unwrap(),
                FromPoller::Piece { text, last, .. } => assembly.piece(&text, last).unwrap(),
                FromPoller::Answered { answered } => {
                    assert!(out.next().is_none());
                    return (assembly.whole(&answered).unwrap().rows, messages);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn rows_of_any_size_cross_in_messages_that_are_small_enough() {
        let worst = "\u{1}".repeat(500 << 10);
        let long = "ä\"\\\u{1}€".repeat(1 << 20);
        let rows = vec![
            vec![Cell::Int(1), Cell::Text(worst.clone())],
            vec![Cell::Int(2), Cell::Text(long)],
            vec![Cell::Null, Cell::Bytes(vec![255; 3 << 20])],
            vec![Cell::Int(4), Cell::Text(String::new())],
            vec![Cell::Int(5), Cell::Text(worst)],
        ];
        let (came, messages) = across(&rows, 2);
        assert!(came == rows, "the rows came as they were sent");
        assert!(messages > 20, "{messages}");
        assert_eq!(across(&[], 0), (Vec::new(), 1));
        let many: Vec<Vec<Cell>> = (0..50_000).map(|n| vec![Cell::Int(n)]).collect();
        let (came, messages) = across(&many, 1);
        assert!(came == many && messages < 20, "{messages}");
    }

    #[test]
    fn more_than_was_asked_for_is_not_taken() {
        let mut assembly = Assembly::of(&ask(2, 10));
        let row = || vec![Cell::Int(1)];
        assembly.rows(vec![row(), row()]).unwrap();
        assert!(assembly.rows(vec![row()]).is_err());
        let mut assembly = Assembly::of(&ask(2, 10));
        let text = "x".repeat(600 << 10);
        assembly.piece(&text, false).unwrap();
        assert!(assembly.piece(&text, false).is_err());
        let mut assembly = Assembly::of(&ask(2, 10));
        assembly.rows(vec![row()]).unwrap();
        let said = Answered { rows: 2, ..end(1) };
        assert!(assembly.whole(&said).is_err());
    }
}
