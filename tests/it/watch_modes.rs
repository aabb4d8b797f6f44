//! What a watch makes of the rows it finds, mode by mode.

use std::collections::HashSet;

use crake::engine::watch::{
    Against, Asked, Change, Digest, Shape, Unusable, digest, keys_of, statement,
};
use crake::model::{Cell, Initial, Memory, Mode, PollId, Rows, Threshold, Watch};

const SQL: Shape = Shape {
    quote: Some('"'),
    zulu: true,
};

pub fn watch(mode: Mode, key: &[&str]) -> Watch {
    Watch {
        mode,
        key: key.iter().map(|k| (*k).to_owned()).collect(),
        lookback_ids: 0,
        lookback_ms: 0,
        ..Watch::of("w", "s", "SELECT id, v FROM t", "job")
    }
}

pub fn rows(rows: &[(i64, &str)]) -> Rows {
    Rows {
        columns: vec!["id".to_owned(), "v".to_owned()],
        rows: rows
            .iter()
            .map(|(id, v)| vec![Cell::Int(*id), Cell::Text((*v).to_owned())])
            .collect(),
        truncated: false,
    }
}

/// A watch over several polls, with the keys it has seen.
pub struct Life {
    watch: Watch,
    memory: Memory,
    seen: HashSet<String>,
    poll: i64,
}

impl Life {
    pub fn of(watch: Watch) -> Life {
        Life {
            watch,
            memory: Memory::default(),
            seen: HashSet::new(),
            poll: 0,
        }
    }

    pub fn poll(&mut self, rows: &Rows) -> Result<Digest, Unusable> {
        self.poll_among(rows, None, false)
    }

    pub fn poll_among(
        &mut self,
        rows: &Rows,
        transactions: Option<(i64, i64)>,
        only_begins: bool,
    ) -> Result<Digest, Unusable> {
        self.poll += 1;
        let keys = keys_of(&self.watch, rows)?;
        let seen = keys.into_iter().filter(|k| self.seen.contains(k)).collect();
        let found = digest(
            &self.watch,
            rows,
            &Against {
                poll: PollId(self.poll),
                memory: &self.memory,
                seen: &seen,
                transactions,
                only_begins,
            },
        )?;
        self.memory = found.memory.clone();
        self.seen.extend(found.seen.iter().cloned());
        Ok(found)
    }

    pub fn ids(&mut self, rows: &Rows) -> Vec<i64> {
        ids(&self.poll(rows).unwrap())
    }

    pub fn statement(&self) -> crake::engine::watch::Statement {
        statement(
            &self.watch,
            &self.memory,
            &Asked {
                poll: PollId(9),
                now: 1_000_000,
                last_ok: None,
                shape: SQL,
                names: &[],
            },
        )
    }
}

pub fn ids(digest: &Digest) -> Vec<i64> {
    let id = |row: &Vec<Cell>| match row[0] {
        Cell::Int(id) => id,
        _ => -1,
    };
    digest.fresh.iter().map(|f| id(&f.row)).collect()
}

#[test]
fn watch_rows_delivers_the_whole_result_each_time() {
    let mut life = Life::of(watch(Mode::Rows, &[]));
    assert_eq!(life.ids(&rows(&[(1, "a"), (2, "b")])), [1, 2]);
    assert_eq!(life.ids(&rows(&[(1, "a"), (2, "b")])), [1, 2]);
    assert_eq!(life.ids(&rows(&[])), [0_i64; 0]);
}

#[test]
fn watch_new_delivers_each_key_once() {
    let mut life = Life::of(watch(Mode::New, &["id"]));
    assert_eq!(life.ids(&rows(&[(5, "a"), (2, "b")])), [5, 2]);
    assert_eq!(life.ids(&rows(&[(5, "x"), (9, "b"), (9, "b")])), [9]);
    assert_eq!(life.ids(&rows(&[(2, "b")])), [0_i64; 0]);
}

#[test]
fn watch_cursor_begins_where_it_is_told_to() {
    let now = Life::of(watch(Mode::Cursor, &["id"]));
    let first = now.statement();
    assert!(first.only_begins);
    assert!(
        first.sql.ends_with("crake_q ORDER BY id DESC LIMIT 1"),
        "{}",
        first.sql
    );

    let min = Life::of(Watch {
        initial: Initial::Min,
        ..watch(Mode::Cursor, &["id"])
    });
    let first = min.statement();
    assert!(!first.only_begins);
    assert!(
        first.sql.ends_with("crake_q ORDER BY id LIMIT :limit"),
        "{}",
        first.sql
    );

    let value = Life::of(Watch {
        initial: Initial::Value(vec![Cell::Int(40)]),
        ..watch(Mode::Cursor, &["id"])
    });
    let first = value.statement();
    assert!(
        first
            .sql
            .contains("WHERE id > :cursor ORDER BY id LIMIT :limit"),
        "{}",
        first.sql
    );
    assert!(first.params.contains(&("cursor".to_owned(), Cell::Int(40))));
}

/// The look-back of the second poll once reached rows from before the beginning, and delivered them.
#[test]
fn watch_cursor_does_not_look_back_past_where_it_began() {
    let rows_before = rows(&[(38, "old"), (40, "old"), (41, "new")]);
    for transactions in [None, Some((7, 9))] {
        let mut value = Life::of(Watch {
            initial: Initial::Value(vec![Cell::Int(40)]),
            lookback_ids: 1_000,
            ..watch(Mode::Cursor, &["id"])
        });
        value
            .poll_among(&rows(&[(41, "new")]), transactions, false)
            .unwrap();
        let second = value.statement();
        assert!(
            second
                .params
                .contains(&("cursor".to_owned(), Cell::Int(40))),
            "{second:?}"
        );

        let mut now = Life::of(Watch {
            lookback_ids: 1_000,
            ..watch(Mode::Cursor, &["id"])
        });
        now.poll_among(&rows(&[(40, "old")]), transactions, true)
            .unwrap();
        let second = now.statement();
        assert!(
            second
                .params
                .contains(&("cursor".to_owned(), Cell::Int(40))),
            "{second:?}"
        );
        // A query with a look-back of its own brings them all the same.
        let found = now.poll_among(&rows_before, transactions, false).unwrap();
        assert_eq!(ids(&found), [41]);
    }
}

#[test]
fn watch_cursor_goes_on_after_the_last_row_and_over_several_columns() {
    let mut life = Life::of(Watch {
        initial: Initial::Min,
        ..watch(Mode::Cursor, &["id", "v"])
    });
    assert_eq!(life.ids(&rows(&[(2, "b"), (2, "a")])), [2, 2]);
    assert_eq!(
        life.memory.cursor,
        Some(vec![Cell::Int(2), Cell::Text("b".to_owned())])
    );
    let next = life.statement();
    let condition = "WHERE id > :cursor_id OR (id = :cursor_id AND (v > :cursor_v)) ORDER BY id, v";
    assert!(next.sql.contains(condition), "{}", next.sql);
}

#[test]
fn watch_cursor_on_an_empty_table_takes_what_comes_then() {
    let mut life = Life::of(watch(Mode::Cursor, &["id"]));
    assert!(life.statement().only_begins);
    let none = life.poll_among(&rows(&[]), None, true).unwrap();
    assert!(none.fresh.is_empty());
    let next = life.statement();
    assert!(
        !next.only_begins && !next.sql.contains("WHERE"),
        "{}",
        next.sql
    );
    assert_eq!(life.ids(&rows(&[(1, "a")])), [1]);
}

#[test]
fn watch_cursor_refuses_keys_that_are_no_keys() {
    let mut life = Life::of(watch(Mode::Cursor, &["id"]));
    let twice = life.poll(&rows(&[(1, "a"), (1, "b")])).unwrap_err();
    assert_eq!(
        twice.0,
        "two rows have the same key (id = 1): name more columns with --key"
    );
    let mut life = Life::of(watch(Mode::Cursor, &["nr"]));
    let missing = life.poll(&rows(&[(1, "a")])).unwrap_err();
    assert_eq!(
        missing.0,
        "the result has no column \"nr\", which is a key; it has id, v"
    );
    let mut life = Life::of(watch(Mode::Cursor, &["id"]));
    let null = Rows {
        rows: vec![vec![Cell::Null, Cell::Null]],
        ..rows(&[])
    };
    assert!(life.poll(&null).unwrap_err().0.contains("NULL in the key"));
    let unsorted = Rows {
        truncated: true,
        ..rows(&[(3, "a"), (2, "b")])
    };
    assert!(
        life.poll(&unsorted)
            .unwrap_err()
            .0
            .contains("add ORDER BY id")
    );
}

#[test]
fn watch_cursor_reads_more_than_it_may_take_in_pages() {
    let mut life = Life::of(Watch {
        initial: Initial::Min,
        max_rows: 2,
        lookback_ids: 1_000,
        ..watch(Mode::Cursor, &["id"])
    });
    let table: Vec<(i64, &str)> = (1..=7).map(|id| (id, "x")).collect();
    let mut got = Vec::new();
    for _ in 0..4 {
        let after = life
            .statement()
            .params
            .iter()
            .find(|(n, _)| n == "cursor")
            .cloned();
        let after = match after {
            Some((_, Cell::Int(id))) => id,
            _ => 0,
        };
        let page: Vec<(i64, &str)> = table
            .iter()
            .filter(|(id, _)| *id > after)
            .take(2)
            .copied()
            .collect();
        let found = life.poll(&rows(&page)).unwrap();
        assert_eq!(found.more, page.len() == 2);
        got.extend(ids(&found));
    }
    assert_eq!(got, [1, 2, 3, 4, 5, 6, 7]);
    // Once all is read the look-back holds again.
    let back = life
        .statement()
        .params
        .iter()
        .find(|(n, _)| n == "cursor")
        .cloned();
    assert_eq!(back, Some(("cursor".to_owned(), Cell::Int(7 - 1_000))));
}

#[test]
fn watch_changed_tells_what_came_went_and_differs() {
    let mut life = Life::of(watch(Mode::Changed, &["id"]));
    assert!(
        life.poll(&rows(&[(1, "a"), (2, "b")]))
            .unwrap()
            .fresh
            .is_empty()
    );
    assert!(
        life.poll(&rows(&[(2, "b"), (1, "a")]))
            .unwrap()
            .fresh
            .is_empty()
    );
    let found = life.poll(&rows(&[(2, "c"), (3, "d")])).unwrap();
    let changes: Vec<(i64, Option<Change>)> = ids(&found)
        .into_iter()
        .zip(found.fresh.iter().map(|f| f.change.clone()))
        .collect();
    let old = vec![Cell::Int(2), Cell::Text("b".to_owned())];
    assert_eq!(
        changes,
        [
            (2, Some(Change::Changed(old))),
            (3, Some(Change::Added)),
            (1, Some(Change::Removed)),
        ]
    );
    // Without a key a row is its own, and one of two that are equal can go.
    let mut life = Life::of(watch(Mode::Changed, &[]));
    life.poll(&rows(&[(1, "a"), (1, "a")])).unwrap();
    let found = life.poll(&rows(&[(1, "a")])).unwrap();
    assert_eq!(found.fresh[0].change, Some(Change::Removed));
}

#[test]
fn watch_threshold_fires_at_the_edge_and_again_only_after_it_came_back() {
    let value = |v: f64| Rows {
        columns: vec!["n".to_owned()],
        rows: vec![vec![Cell::Real(v)]],
        truncated: false,
    };
    let mut life = Life::of(Watch {
        limits: Threshold {
            above: Some(100.0),
            below: None,
            rearm: Some(20.0),
            on_return: false,
        },
        ..watch(Mode::Threshold, &[])
    });
    let fired: Vec<bool> = [90.0, 101.0, 150.0, 95.0, 101.0, 79.0, 101.0]
        .into_iter()
        .map(|v| !life.poll(&value(v)).unwrap().fresh.is_empty())
        .collect();
    assert_eq!(fired, [false, true, false, false, false, false, true]);
    let text = Rows {
        rows: vec![vec![Cell::Text("many".to_owned())]],
        ..value(0.0)
    };
    assert!(life.poll(&text).unwrap_err().0.contains("no number"));
}
