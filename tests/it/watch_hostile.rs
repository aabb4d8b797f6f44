//! Values that mean harm, values of every type, and more of them than anybody wants.

use serde_json::{Value, json};

use crate::support::shops::{Engine, Shop};

/// What is written into forms by people who try.
const EVIL: &str = "'; DROP TABLE t;--";

/// The same in every other language that is spoken on the way.
const WORSE: &str =
    "a\nb;c\"d'e`touch pwned`$(touch pwned)${HOME}\\ \t%s {id} \u{1b}[2J ü𝄞 | & > <";

/// Writes down what a run is given, each thing in a file of its own.
const TELL: &str = r#"
printf '%s' "$1" > "arg.$2"
printf '%s' "${ROW_V-unset}" > "env.$2"
cat > "in.$2"
"#;

const ENGINES: [Engine; 4] = [
    Engine::Sqlite,
    Engine::Postgres,
    Engine::Maria,
    Engine::Exec,
];

/// A text as a literal of an engine.
fn literal(engine: Engine, text: &str) -> String {
    let text = text.replace('\'', "''");
    match engine {
        Engine::Maria => format!("'{}'", text.replace('\\', "\\\\")),
        _ => format!("'{text}'"),
    }
}

/// Makes the job `tell`, which gets `{v}` and `{id}` as arguments.
fn teller(shop: &Shop) {
    let sandbox = &shop.instance.sandbox;
    sandbox.file("tell.sh", TELL.as_bytes());
    let here = sandbox.path("");
    let here = here.to_str().unwrap();
    let command = ["--", "/bin/sh", "tell.sh", "{v}", "{id}"];
    sandbox.ok(&[&["add", "tell", "--cwd", here][..], &command].concat());
}

fn told(shop: &Shop, name: &str) -> String {
    let path = shop.instance.sandbox.path(name);
    String::from_utf8(std::fs::read(path).expect(name)).expect("text")
}

fn harmless(engine: Engine) {
    let Some(mut shop) = Shop::open(engine) else {
        return;
    };
    teller(&shop);
    let rows = [(1, Some(EVIL)), (2, Some(WORSE)), (3, None)];
    let query = match engine {
        Engine::Exec => {
            for (id, v) in rows {
                shop.append("t", &format!("{}\n", json!({"id": id, "v": v})));
            }
            "t"
        }
        _ => {
            shop.put("CREATE TABLE t(id BIGINT, v TEXT)");
            for (id, v) in rows {
                let v = v.map_or("NULL".to_owned(), |v| literal(engine, v));
                shop.put(&format!("INSERT INTO t VALUES({id}, {v})"));
            }
            "SELECT id, v FROM t WHERE v = :evil OR id > 1 ORDER BY id"
        }
    };
    let evil = format!("evil={EVIL}");
    let flags = [
        "--job",
        "tell",
        "--deliver",
        "row",
        "--every",
        "1h",
        "--param",
        &evil,
    ];
    shop.watch("w", query, &flags);
    shop.polled("w", 1);
    shop.settled();
    for (id, v) in rows {
        let text = v.unwrap_or_default();
        assert_eq!(told(&shop, &format!("arg.{id}")), text);
        assert_eq!(told(&shop, &format!("env.{id}")), v.unwrap_or("unset"));
        let input: Value = serde_json::from_str(&told(&shop, &format!("in.{id}"))).unwrap();
        assert_eq!(input["rows"], json!([{"id": id, "v": v}]));
        assert_eq!(input["params"]["evil"], EVIL);
    }
    assert_eq!(shop.polls("w")[0]["params"]["evil"], EVIL);
    assert!(!shop.instance.sandbox.path("pwned").exists());
    if engine != Engine::Exec {
        assert_eq!(
            shop.count("SELECT count(*) FROM t"),
            3,
            "the table is there"
        );
    }
    let shown = shop.instance.sandbox.ok(&["watch", "polls", "w"]).stdout;
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    shop.instance.stop_and_audit();
}

#[test]
fn watch_hostile_values_do_nothing_on_any_engine() {
    for engine in ENGINES {
        harmless(engine);
    }
}

/// One row with values of every type, as the job reads it.
fn row_of(engine: Engine, query: &str) -> Option<Value> {
    let shop = Shop::open(engine)?;
    let query = match engine {
        Engine::Exec => {
            shop.append("one", query);
            "one"
        }
        _ => query,
    };
    shop.watch("w", query, &["--every", "1h", "--deliver", "row"]);
    shop.polled("w", 1);
    shop.settled();
    let polls = shop.polls("w");
    assert_eq!(polls[0]["outcome"], "ok", "{polls:?}");
    let lines = shop.instance.lines("got");
    let input = lines[0].splitn(4, ' ').nth(3).expect("an input");
    let input: Value = serde_json::from_str(input).expect("JSON");
    Some(input["rows"][0].clone())
}

#[test]
fn watch_values_of_every_type_arrive_from_sqlite() {
    let query =
        "SELECT 9223372036854775807 AS most, -1.5e300 AS real, x'00ff' AS bytes, NULL AS gone,
        'a' || char(0) || 'b' AS zero, 'ü;''\"' || char(10) AS text, '' AS empty,
        '2026-01-02T03:04:05+02:00' AS at, 1e999 AS endless";
    let Some(row) = row_of(Engine::Sqlite, query) else {
        return;
    };
    assert_eq!(
        row,
        json!({
            "most": i64::MAX, "real": -1.5e300, "bytes": {"b64": "AP8="}, "gone": null,
            "zero": "a\0b", "text": "ü;'\"\n", "empty": "",
            "at": "2026-01-02T03:04:05+02:00", "endless": "inf",
        })
    );
}

#[test]
fn watch_values_of_every_type_arrive_from_postgres() {
    let query = "SELECT 32767::smallint AS small, 9223372036854775807 AS most, true AS yes,
        1.5::float8 AS real, 'NaN'::float8 AS nan, 12345678901234567890.1230::numeric AS exact,
        '\\x00ff'::bytea AS bytes, NULL::int AS gone, 'ü;''\"\n' AS text, '' AS empty,
        DATE '2026-01-02' AS day, TIME '03:04:05' AS hour,
        TIMESTAMPTZ '2026-01-02 03:04:05.678+02' AS at, TIMESTAMP '2026-01-02 03:04:05' AS local,
        ARRAY[1, NULL, 3] AS list, '{\"a\": [1]}'::jsonb AS doc, INTERVAL '1 day 2 h' AS span,
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS id";
    let Some(row) = row_of(Engine::Postgres, query) else {
        return;
    };
    assert_eq!(
        row,
        json!({
            "small": 32767, "most": i64::MAX, "yes": true, "real": 1.5, "nan": "NaN",
            "exact": "12345678901234567890.1230", "bytes": {"b64": "AP8="}, "gone": null,
            "text": "ü;'\"\n", "empty": "", "day": "2026-01-02", "hour": "03:04:05",
            "at": "2026-01-02T01:04:05.678+00:00", "local": "2026-01-02T03:04:05",
            "list": "[1,null,3]", "doc": "{\"a\": [1]}", "span": "1 day 02:00:00",
            "id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        })
    );
}

#[test]
fn watch_values_of_every_type_arrive_from_mariadb() {
    let query =
        "SELECT 9223372036854775807 AS most, CAST(18446744073709551615 AS UNSIGNED) AS beyond,
        TRUE AS yes, 1.5e0 AS `real`, CAST('12345678901234567890.1230' AS DECIMAL(30, 4)) AS exact,
        X'00FF' AS bytes, NULL AS gone, CONCAT('a', CHAR(0 USING utf8mb4), 'b') AS zero,
        'ü;''\"' AS text, '' AS `empty`, DATE '2026-01-02' AS day, TIME '03:04:05' AS hour,
        TIMESTAMP '2026-01-02 03:04:05.678' AS local";
    let Some(row) = row_of(Engine::Maria, query) else {
        return;
    };
    assert_eq!(
        row,
        json!({
            "most": i64::MAX, "beyond": "18446744073709551615", "yes": 1, "real": 1.5,
            "exact": "12345678901234567890.1230", "bytes": {"b64": "AP8="}, "gone": null,
            "zero": "a\0b", "text": "ü;'\"", "empty": "", "day": "2026-01-02", "hour": "03:04:05",
            "local": "2026-01-02T03:04:05.678",
        })
    );
}

#[test]
fn watch_values_of_every_type_arrive_from_a_command() {
    let line = json!({
        "most": i64::MAX, "beyond": u64::MAX, "yes": true, "real": 1.5, "gone": null,
        "zero": "a\0b", "text": "ü;'\"\n", "empty": "", "list": [1, null], "doc": {"a": 1},
    });
    let Some(row) = row_of(Engine::Exec, &format!("{line}\n")) else {
        return;
    };
    assert_eq!(
        row,
        json!({
            "most": i64::MAX, "beyond": "18446744073709551615", "yes": true, "real": 1.5,
            "gone": null, "zero": "a\0b", "text": "ü;'\"\n", "empty": "", "list": "[1,null]",
            "doc": "{\"a\":1}",
        })
    );
}

/// A text of a MiB is read whole; where it is to be an argument, the run says why it cannot start.
fn long(engine: Engine) {
    let Some(shop) = Shop::open(engine) else {
        return;
    };
    let query = match engine {
        Engine::Exec => {
            let row = json!({"id": 1, "v": "x".repeat(1 << 20)});
            shop.append("t", &format!("{row}\n"));
            "t"
        }
        Engine::Sqlite => "SELECT 1 AS id, replace(hex(zeroblob(524288)), '0', 'x') AS v",
        Engine::Postgres | Engine::Maria => "SELECT 1 AS id, repeat('x', 1048576) AS v",
    };
    let line = r#"x=$(cat); printf '%s %s\n' "${#x}" "${ROW_V-unset}" >> size"#;
    shop.instance.add("size", line, &[]);
    teller(&shop);
    let flags = ["--every", "1h", "--deliver", "row", "--job"];
    shop.watch("reads", query, &[&flags[..], &["size"]].concat());
    shop.watch("argues", query, &[&flags[..], &["tell"]].concat());
    shop.polled("reads", 1);
    shop.polled("argues", 1);
    shop.settled();
    eprintln!(
        "{engine:?} {:?} {:?}",
        shop.instance.sandbox.items(&["history"]),
        shop.instance.sandbox.items(&["events", "-n", "50"])
    );
    let told = shop.instance.until_lines("size", 1);
    let (size, variable) = told[0].split_once(' ').unwrap();
    assert_eq!(variable, "unset");
    let size: usize = size.parse().unwrap();
    assert!(((1 << 20) + 40..(1 << 20) + 400).contains(&size), "{size}");
    let run = &shop.instance.sandbox.items(&["history", "tell"])[0];
    assert_eq!(run["outcome"], "unspawnable", "{run}");
}

#[test]
fn watch_rows_of_a_mebibyte_are_delivered_whole() {
    for engine in ENGINES {
        long(engine);
    }
}

#[test]
fn watch_rows_of_many_long_columns_do_not_keep_a_run_from_starting() {
    let Some(shop) = Shop::open(Engine::Exec) else {
        return;
    };
    let columns = (0..300).map(|n| (format!("c{n}"), json!("x".repeat(16_000))));
    let row: serde_json::Map<String, Value> = columns.collect();
    shop.append("t", &format!("{}\n", Value::Object(row)));
    shop.instance
        .add("sees", "cat > /dev/null; env | grep -c ROW_C >> seen", &[]);
    let flags = ["--every", "1h", "--deliver", "row", "--job", "sees"];
    shop.watch("w", "t", &flags);
    let seen = shop.instance.until_lines("seen", 1);
    assert_eq!(seen, ["16"]);
}

#[test]
fn watch_rows_with_a_nul_byte_are_delivered_and_no_argument_is_cut() {
    let Some(shop) = Shop::open(Engine::Sqlite) else {
        return;
    };
    teller(&shop);
    let flags = ["--every", "1h", "--deliver", "row"];
    let query = "SELECT 1 AS id, 'a' || char(0) || 'b' AS v";
    shop.watch("reads", query, &flags);
    shop.watch("argues", query, &[&flags[..], &["--job", "tell"]].concat());
    shop.polled("reads", 1);
    shop.polled("argues", 1);
    shop.settled();
    assert!(shop.instance.lines("got")[0].contains("a\\u0000b"));
    let run = &shop.instance.sandbox.items(&["history", "tell"])[0];
    assert_eq!(run["outcome"], "unspawnable", "{run}");
}

/// Of a million rows as many are taken as may be, and that is said.
fn many(engine: Engine) {
    let Some(shop) = Shop::open(engine) else {
        return;
    };
    let counted =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
        SELECT i FROM n";
    let query = match engine {
        Engine::Exec => {
            let lines: String = (1..=1_000_000)
                .map(|i| format!("{{\"i\":{i}}}\n"))
                .collect();
            shop.append("n", &lines);
            "n"
        }
        Engine::Postgres => "SELECT i FROM generate_series(1, 1000000) AS i",
        Engine::Maria => "SELECT seq FROM seq_1_to_1000000",
        Engine::Sqlite => counted,
    };
    shop.instance.add("pass", "cat > /dev/null", &[]);
    let flags = ["--job", "pass", "--every", "1h", "--batch-max", "5000"];
    shop.watch("w", query, &flags);
    shop.polled("w", 1);
    shop.settled();
    let poll = &shop.polls("w")[0];
    assert_eq!(
        (&poll["outcome"], &poll["rows"], &poll["note"]),
        (
            &json!("ok"),
            &json!(10_000),
            &json!("only the first 10000 rows were taken")
        ),
        "{poll}"
    );
    assert_eq!(poll["runs"].as_array().map(Vec::len), Some(2));
}

#[test]
fn watch_rows_by_the_million_are_bounded_and_that_is_said() {
    for engine in ENGINES {
        many(engine);
    }
}

#[test]
fn watch_cursor_of_a_command_that_cannot_page_fails_and_is_not_asked_without_end() {
    let Some(shop) = Shop::open(Engine::Exec) else {
        return;
    };
    let lines: String = (1..=50).map(|i| format!("{{\"id\":{i}}}\n")).collect();
    shop.append("t", &lines);
    let flags = [
        "--mode",
        "cursor",
        "--key",
        "id",
        "--initial",
        "min",
        "--max-rows",
        "10",
    ];
    shop.watch("w", "t", &[&flags[..], &["--every", "200ms"]].concat());
    shop.until("EXISTS(SELECT 1 FROM poll WHERE fails >= 2)");
    let stands = shop.stands("w");
    assert_eq!(stands["state"], "failing", "{stands}");
    let error = stands["error"].as_str().unwrap();
    assert!(error.contains("the same came again"), "{stands}");
    shop.settled();
    assert_eq!(shop.instance.lines("got").len(), 1);
}
