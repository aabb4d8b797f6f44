//! Watches of every mode in a real daemon, on SQLite.

use serde_json::json;

use crate::support::watching::Field;

#[test]
fn watch_run_rows_are_given_whole_at_each_poll_and_nothing_where_that_is_wanted() {
    let field = Field::new();
    field.watch(
        "all",
        "SELECT * FROM t ORDER BY id",
        &["--every", "300ms", "--on-empty"],
    );
    field.polled("all", 2);
    field.put("INSERT INTO t VALUES(1, 'a'), (2, NULL)");
    field.instance.until_lines("got", 3);
    crate::support::wait::until("both rows in one delivery", || {
        let got = field.got();
        let last = got
            .iter()
            .find(|one| one["rows"].as_array().is_some_and(|r| !r.is_empty()))?;
        assert_eq!(
            last["rows"],
            json!([{"id": 1, "v": "a"}, {"id": 2, "v": null}])
        );
        Some(())
    });
    assert_eq!(field.got()[0]["rows"], json!([]), "nothing was told first");
    let ids: Vec<String> = field
        .got()
        .iter()
        .map(|one| one["delivery"].to_string())
        .collect();
    let mut apart = ids.clone();
    apart.dedup();
    assert_eq!(ids, apart, "each poll is a delivery of its own");
}

#[test]
fn watch_run_cursor_delivers_each_row_once_in_pages_and_across_a_restart() {
    let mut field = Field::quiet();
    field.put("INSERT INTO t VALUES(1, 'before')");
    field.instance.start();
    let every = [
        "--mode",
        "cursor",
        "--key",
        "id",
        "--every",
        "200ms",
        "--max-rows",
        "3",
    ];
    field.watch(
        "new",
        "SELECT * FROM t",
        &[&every[..], &["--lookback", "0"]].concat(),
    );
    field.polled("new", 1);
    field.put(
        "INSERT INTO t VALUES(2, 'a'), (3, 'b'), (4, 'c'), (5, 'd'), (6, 'e'), (7, 'f'), (8, 'g')",
    );
    field.until_ids(&[2, 3, 4, 5, 6, 7, 8]);
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM poll WHERE trigger = 'more')");
    assert_eq!(field.instance.stop(), 0);
    field.put("INSERT INTO t VALUES(9, 'while nobody looked')");
    field.instance.start();
    field.until_ids(&[2, 3, 4, 5, 6, 7, 8, 9]);
    field.polled_again("new", 3);
    assert_eq!(field.ids(), [2, 3, 4, 5, 6, 7, 8, 9]);
    let twice: i64 = field
        .instance
        .cell("SELECT count(*) FROM (SELECT unique_key FROM run GROUP BY 1 HAVING count(*) > 1)")
        .unwrap();
    assert_eq!(twice, 0);
    field.instance.stop_and_audit();
}

#[test]
fn watch_run_new_keys_are_delivered_once_each_and_forgotten_when_old() {
    let field = Field::new();
    field.put("INSERT INTO t VALUES(7, 'x'), (3, 'y')");
    let flags = [
        "--mode",
        "new",
        "--key",
        "id",
        "--every",
        "200ms",
        "--deliver",
        "row",
    ];
    field.watch("unseen", "SELECT * FROM t ORDER BY id", &flags);
    field.until_ids(&[3, 7]);
    field.put("INSERT INTO t VALUES(1, 'late')");
    field.until_ids(&[3, 7, 1]);
    field.polled_again("unseen", 3);
    assert_eq!(field.ids(), [3, 7, 1]);
    let seen: i64 = field.instance.cell("SELECT count(*) FROM seen").unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn watch_run_changes_are_delivered_with_what_was_before() {
    let field = Field::new();
    field.put("INSERT INTO t VALUES(1, 'a'), (2, 'b')");
    field.watch(
        "diff",
        "SELECT * FROM t",
        &["--mode", "changed", "--key", "id", "--every", "200ms"],
    );
    field.polled("diff", 1);
    field.put("BEGIN; UPDATE t SET v = 'A' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES(3, 'c'); COMMIT");
    field.instance.until_lines("got", 1);
    let mut rows = field.got()[0]["rows"].as_array().unwrap().clone();
    rows.sort_by_key(|row| row["change"].to_string());
    assert_eq!(
        json!(rows),
        json!([
            {"change": "added", "before": null, "row": {"id": 3, "v": "c"}},
            {"change": "changed", "before": {"id": 1, "v": "a"}, "row": {"id": 1, "v": "A"}},
            {"change": "removed", "before": {"id": 2, "v": "b"}, "row": null},
        ])
    );
    field.polled_again("diff", 2);
    assert_eq!(field.got().len(), 1, "nothing changed since");
}

#[test]
fn watch_run_a_number_that_crosses_its_limit_is_told_once() {
    let field = Field::new();
    let flags = [
        "--mode",
        "threshold",
        "--above",
        "2",
        "--rearm",
        "1",
        "--on-return",
        "--every",
        "200ms",
    ];
    field.watch("backlog", "SELECT count(*) AS n FROM t", &flags);
    field.polled("backlog", 1);
    field.put("INSERT INTO t VALUES(1, 1), (2, 2), (3, 3)");
    field.instance.until_lines("got", 1);
    field.put("INSERT INTO t VALUES(4, 4); DELETE FROM t WHERE id = 1");
    field.polled_again("backlog", 2);
    assert_eq!(field.got().len(), 1, "it is still in");
    field.put("DELETE FROM t");
    field.instance.until_lines("got", 2);
    assert_eq!(field.got()[1]["rows"], json!([{"n": 0}]));
}

#[test]
fn watch_run_rows_of_a_queue_are_claimed_delivered_and_acknowledged() {
    let field = Field::new();
    field.put("CREATE TABLE q(id INTEGER PRIMARY KEY, v, claim TEXT, at INT, done INT DEFAULT 0)");
    field.put("INSERT INTO q(v) VALUES('a'), ('b'), ('c')");
    let flags = [
        "--mode",
        "consume",
        "--key",
        "id",
        "--every",
        "200ms",
        "--deliver",
        "row",
        "--visibility",
        "60s",
        "--claim",
        "UPDATE q SET claim = :claim, at = :now_ms WHERE done = 0 AND (claim IS NULL OR at < :visible_before_ms)",
        "--ack",
        "UPDATE q SET done = 1 WHERE id = :id",
    ];
    field.watch(
        "take",
        "SELECT id, v FROM q WHERE claim = :claim AND done = 0 ORDER BY id",
        &flags,
    );
    field.until_ids(&[1, 2, 3]);
    crate::support::wait::until("all are acknowledged", || {
        let left: i64 = field
            .shop()
            .query_row("SELECT count(*) FROM q WHERE done = 0", [], |r| r.get(0))
            .unwrap();
        (left == 0).then_some(())
    });
    field.put("INSERT INTO q(v) VALUES('d')");
    field.until_ids(&[1, 2, 3, 4]);
    field.instance.until_sql("NOT EXISTS(SELECT 1 FROM owed)");
}

#[test]
fn watch_run_rows_of_a_queue_whose_run_fails_for_good_are_given_back() {
    let field = Field::new();
    field.put("CREATE TABLE q(id INTEGER PRIMARY KEY, state TEXT DEFAULT 'new'); INSERT INTO q(id) VALUES(1), (2)");
    let line = r#"x=$(cat); printf '%s\n' "$x" >> got; test "$ROW_ID" = 1"#;
    field.instance.add("picky", line, &[]);
    let flags = [
        "--job",
        "picky",
        "--mode",
        "consume",
        "--key",
        "id",
        "--every",
        "200ms",
        "--deliver",
        "row",
        "--advance",
        "succeeded",
        "--ack",
        "UPDATE q SET state = 'done' WHERE id = :id",
        "--nack",
        "UPDATE q SET state = 'refused ' || :claim WHERE id = :id",
    ];
    let query = "UPDATE q SET state = 'taken' WHERE state = 'new' RETURNING id";
    field.watch("take", query, &flags);
    let state = |id: i64| -> String {
        let sql = "SELECT state FROM q WHERE id = ?1";
        field.shop().query_row(sql, [id], |r| r.get(0)).unwrap()
    };
    crate::support::wait::until("the source is told", || {
        (state(1) == "done" && state(2).starts_with("refused ")).then_some(())
    });
    field.instance.until_sql("NOT EXISTS(SELECT 1 FROM owed)");
}
