//! What the runs of a watch are given, and when a watch is asked.

use std::collections::BTreeMap;

use crake::engine::watch::{Found, Standing, deliveries, next_poll};
use crake::model::{Cell, Deliver, Initial, Mode, PollId, Trigger, Watch};
use serde_json::Value;

use crate::watch_modes::{Life, rows, watch};

#[test]
fn watch_deliveries_name_their_rows_the_same_whenever_they_are_made() {
    let mut one = watch(Mode::Cursor, &["id"]);
    one.deliver = Deliver::Row;
    one.initial = Initial::Min;
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
