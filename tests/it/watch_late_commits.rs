//! A cursor loses no row, in whatever order transactions commit.

use std::collections::BTreeMap;

use crake::model::{Cell, Initial, Mode, Watch};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

use crate::watch_modes::{Life, ids, rows, watch};

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
