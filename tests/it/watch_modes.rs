//! What a watch makes of the rows it finds, mode by mode.

use std::collections::{BTreeMap, HashSet};

use crake::engine::watch::{
    Against, Asked, Change, Digest, Found, Shape, Standing, Unusable, deliveries, digest, keys_of,
    next_poll, statement,
};
use crake::model::{Cell, Deliver, Initial, Memory, Mode, PollId, Rows, Threshold, Trigger, Watch};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use serde_json::Value;

const SQL: Shape = Shape {
    quote: Some('"'),
    zulu: true,
};

fn watch(mode: Mode, key: &[&str]) -> Watch {
    Watch {
        mode,
        key: key.iter().map(|k| (*k).to_owned()).collect(),
        lookback_ids: 0,
        lookback_ms: 0,
        ..Watch::of("w", "s", "SELECT id, v FROM t", "job")
    }
}

fn rows(rows: &[(i64, &str)]) -> Rows {
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
struct Life {
    watch: Watch,
    memory: Memory,
    seen: HashSet<String>,
    poll: i64,
}

impl Life {
    fn of(watch: Watch) -> Life {
        Life {
            watch,
            memory: Memory::default(),
            seen: HashSet::new(),
            poll: 0,
        }
    }

    fn poll(&mut self, rows: &Rows) -> Result<Digest, Unusable> {
        self.poll_among(rows, None, false)
    }

    fn poll_among(
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

    fn ids(&mut self, rows: &Rows) -> Vec<i64> {
        ids(&self.poll(rows).unwrap())
    }

    fn statement(&self) -> crake::engine::watch::Statement {
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

fn ids(digest: &Digest) -> Vec<i64> {
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

#[test]
fn watch_deliveries_name_their_rows_the_same_whenever_they_are_made() {
    let mut one = watch(Mode::Cursor, &["id"]);
    one.deliver = Deliver::Row;
    one.params = vec![
        (
            "town".to_owned(),
            Cell::Text("'; DROP TABLE t;--".to_owned()),
        ),
        ("token".to_owned(), Cell::Text("s3cret".to_owned())),
    ];
    one.redact = vec!["token".to_owned()];
    let made = |poll: i64| {
        let mut life = Life::of(one.clone());
        let fresh = life
            .poll(&rows(&[(7, "it's \"x\""), (8, "")]))
            .unwrap()
            .fresh;
        let columns = ["id".to_owned(), "v".to_owned()];
        deliveries(
            &one,
            &Found {
                poll: PollId(poll),
                columns: &columns,
                fresh: &fresh,
                cursor: None,
            },
        )
    };
    let (first, again) = (made(1), made(2));
    assert_eq!(first.len(), 2);
    assert_eq!(first[0].id, "w:7");
    assert_eq!(first[0].id, again[0].id);
    let env: BTreeMap<_, _> = first[0].env.iter().cloned().collect();
    assert_eq!(env["CRAKE_WATCH"], "w");
    assert_eq!(env["CRAKE_DELIVERY"], "w:7");
    assert_eq!(env["CRAKE_ROWS"], "1");
    assert_eq!(env["ROW_ID"], "7");
    assert_eq!(env["ROW_V"], "it's \"x\"");
    let payload: Value = serde_json::from_str(&first[0].payload).unwrap();
    assert_eq!(payload["rows"][0]["v"], "it's \"x\"");
    assert_eq!(payload["params"]["town"], "'; DROP TABLE t;--");
    assert!(!first[0].payload.contains("s3cret"));
}

#[test]
fn watch_polls_keep_their_beat_and_back_off_while_they_fail() {
    let w = Watch {
        every_ms: 10_000,
        ..watch(Mode::Rows, &[])
    };
    let next = |standing: Standing| next_poll(&w, &standing).map(|n| (n.at, n.trigger));
    let usual = Standing {
        due_at: 100_000,
        ended_at: 100_200,
        ..Standing::default()
    };
    assert_eq!(next(usual), Some((110_000, Trigger::Timer)));
    let slow = Standing {
        ended_at: 131_000,
        ..usual
    };
    assert_eq!(next(slow), Some((140_000, Trigger::Timer)));
    let failing = |fails| Standing { fails, ..usual };
    let pauses: Vec<i64> = [1, 2, 3, 7, 40]
        .into_iter()
        .map(|n| next(failing(n)).unwrap().0 - 100_200)
        .collect();
    assert_eq!(pauses, [1_000, 2_000, 4_000, 60_000, 60_000]);
    let more = Standing {
        more: true,
        ..usual
    };
    assert_eq!(next(more), Some((100_200, Trigger::More)));
    let blocked = Standing {
        blocked: true,
        ..usual
    };
    assert_eq!(next(blocked), None);
}

/// A table whose rows get their numbers when they are written and are seen when their transaction
/// commits, as in PostgreSQL.
#[derive(Default)]
struct Table {
    open: BTreeMap<i64, Vec<i64>>,
    committed: Vec<i64>,
    next_transaction: i64,
    next_id: i64,
}

impl Table {
    fn insert(&mut self, transaction: i64) {
        self.next_id += 1;
        let id = self.next_id;
        self.open.entry(transaction).or_default().push(id);
    }

    fn begin(&mut self) -> i64 {
        self.next_transaction += 1;
        self.insert(self.next_transaction);
        self.next_transaction
    }

    fn commit(&mut self, transaction: i64) {
        self.committed
            .extend(self.open.remove(&transaction).unwrap_or_default());
    }

    fn oldest(&self) -> i64 {
        self.open
            .keys()
            .next()
            .copied()
            .unwrap_or(self.next_transaction + 1)
    }
}

proptest! {
    /// However transactions overlap and however late they commit, each row is delivered once.
    #[test]
    fn watch_cursor_loses_no_late_commit(
        steps in prop::collection::vec((any::<u8>(), any::<u8>()), 1..120),
        max_rows in 1_u32..6,
    ) {
        let mut life = Life::of(Watch {
            initial: Initial::Min,
            max_rows,
            ..watch(Mode::Cursor, &["id"])
        });
        let mut table = Table::default();
        let mut got = Vec::new();
        for (what, which) in steps.into_iter().chain((0..300).map(|_| (255, 0))) {
            let open: Vec<i64> = table.open.keys().copied().collect();
            let chosen = open.get(usize::from(which) % open.len().max(1)).copied();
            match (what % 4, chosen) {
                _ if what == 255 => open.into_iter().for_each(|t| table.commit(t)),
                (0, _) => { table.begin(); }
                (1, Some(transaction)) => table.insert(transaction),
                (2, Some(transaction)) => table.commit(transaction),
                _ => {}
            }
            if what % 4 == 3 || what == 255 {
                let asked = life.statement();
                let after = match asked.params.iter().find(|(n, _)| n == "cursor") {
                    Some((_, Cell::Int(id))) => *id,
                    _ => 0,
                };
                let mut page: Vec<i64> =
                    table.committed.iter().filter(|id| **id > after).copied().collect();
                page.sort_unstable();
                page.truncate(max_rows as usize);
                let page: Vec<(i64, &str)> = page.into_iter().map(|id| (id, "")).collect();
                let transactions = Some((table.oldest(), table.next_transaction + 1));
                let found = life.poll_among(&rows(&page), transactions, false).unwrap();
                got.extend(ids(&found));
            }
        }
        got.sort_unstable();
        let all: Vec<i64> = (1..=table.next_id).collect();
        prop_assert_eq!(got, all);
    }
}
