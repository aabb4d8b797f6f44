//! One account of what every mode delivers, with which ids, in which runs, that holds for all engines.

use std::fmt::Write;

use serde_json::Value;

use crate::support::shops::{Engine, Shop};

/// A row: its id and its text.
type Row = (i64, Option<&'static str>);

/// A watch, and what its table holds from poll to poll.
struct Scene {
    name: &'static str,
    mode: &'static str,
    flags: &'static [&'static str],
    tables: &'static [&'static [Row]],
}

const SCENES: &[Scene] = &[
    Scene {
        name: "whole",
        mode: "rows",
        flags: &[],
        tables: &[
            &[],
            &[(1, Some("a")), (2, None)],
            &[(1, Some("a")), (2, None)],
            &[(2, None)],
        ],
    },
    Scene {
        name: "after",
        mode: "cursor",
        flags: &["--key", "id", "--initial", "min", "--batch-max", "2"],
        tables: &[
            &[(1, Some("a")), (2, None)],
            &[
                (1, Some("a")),
                (2, None),
                (3, Some("c")),
                (5, Some("e")),
                (6, Some("f")),
            ],
            &[
                (1, Some("a")),
                (2, None),
                (3, Some("c")),
                (5, Some("e")),
                (6, Some("f")),
            ],
            &[
                (1, Some("late")),
                (2, None),
                (4, Some("late")),
                (6, Some("f")),
            ],
        ],
    },
    Scene {
        name: "since",
        mode: "cursor",
        flags: &["--key", "id", "--deliver", "row"],
        tables: &[
            &[(1, Some("before")), (2, Some("before"))],
            &[(1, Some("before")), (2, Some("before"))],
            &[
                (1, Some("before")),
                (2, Some("before")),
                (3, Some("c")),
                (4, None),
            ],
        ],
    },
    Scene {
        name: "unseen",
        mode: "new",
        flags: &["--key", "id", "--deliver", "row"],
        tables: &[
            &[(3, None), (7, Some("x"))],
            &[(1, Some("late")), (3, None), (7, Some("x"))],
            &[(3, None)],
            &[(1, Some("again")), (3, None), (7, Some("again"))],
        ],
    },
    Scene {
        name: "diff",
        mode: "changed",
        flags: &["--key", "id"],
        tables: &[
            &[(1, Some("a")), (2, Some("b"))],
            &[(1, Some("A")), (3, None)],
            &[(1, Some("A")), (3, None)],
            &[(3, None)],
        ],
    },
    Scene {
        name: "take",
        mode: "consume",
        flags: &["--key", "id", "--deliver", "row", "--visibility", "1h"],
        tables: &[&[(1, Some("a")), (2, None)], &[], &[(3, Some("c"))]],
    },
    Scene {
        name: "backlog",
        mode: "threshold",
        flags: &["--above", "2", "--rearm", "1", "--on-return"],
        tables: &[
            &[(1, None), (2, None)],
            &[(1, None), (2, None), (3, None)],
            &[(1, None), (2, None), (3, None), (4, None)],
            &[(1, None), (2, None)],
            &[(1, None)],
        ],
    },
];

/// What comes of it, on every engine. Of each poll how it ended, beneath it what it delivered: how
/// many rows, under which id, and these; `@N` stands for the number of the poll.
const GOLDEN: &str = r#"
whole (rows)
  empty: 0 rows, 0 new
  ok: 2 rows, 2 new
    2 whole:@2:0..@2:1 [{"id":1,"v":"a"},{"id":2,"v":null}]
  ok: 2 rows, 2 new
    2 whole:@3:0..@3:1 [{"id":1,"v":"a"},{"id":2,"v":null}]
  ok: 1 rows, 1 new
    1 whole:@4:0 [{"id":2,"v":null}]
after (cursor)
  ok: 2 new, cursor 2
    2 after:1..2 [{"id":1,"v":"a"},{"id":2,"v":null}]
  ok: 3 new, cursor 6
    2 after:3..5 [{"id":3,"v":"c"},{"id":5,"v":"e"}]
    1 after:6 [{"id":6,"v":"f"}]
  empty: 0 new, cursor 6
  ok: 1 new, cursor 6
    1 after:4 [{"id":4,"v":"late"}]
since (cursor)
  empty: 0 new, cursor 2
  empty: 0 new, cursor 2
  ok: 2 new, cursor 4
    1 since:3 [{"id":3,"v":"c"}]
    1 since:4 [{"id":4,"v":null}]
unseen (new)
  ok: 2 rows, 2 new
    1 unseen:3 [{"id":3,"v":null}]
    1 unseen:7 [{"id":7,"v":"x"}]
  ok: 3 rows, 1 new
    1 unseen:1 [{"id":1,"v":"late"}]
  empty: 1 rows, 0 new
  empty: 3 rows, 0 new
diff (changed)
  empty: 2 rows, 0 new
  ok: 2 rows, 3 new
    3 diff:9028a7d7d6e78f34cb2dd2cac2f2602d [{"before":{"id":1,"v":"a"},"change":"changed","row":{"id":1,"v":"A"}},{"before":null,"change":"added","row":{"id":3,"v":null}},{"before":{"id":2,"v":"b"},"change":"removed","row":null}]
  empty: 2 rows, 0 new
  ok: 1 rows, 1 new
    1 diff:1:8597e6960b22 [{"before":{"id":1,"v":"A"},"change":"removed","row":null}]
take (consume)
  ok: 2 rows, 2 new
    1 take:1 [{"id":1,"v":"a"}]
    1 take:2 [{"id":2,"v":null}]
  empty: 0 rows, 0 new
  ok: 1 rows, 1 new
    1 take:3 [{"id":3,"v":"c"}]
backlog (threshold)
  empty: 1 rows, 0 new
  ok: 1 rows, 1 new
    1 backlog:1 [{"n":3}]
  empty: 1 rows, 0 new
  empty: 1 rows, 0 new
  ok: 1 rows, 1 new
    1 backlog:2 [{"n":1}]
"#;

impl Scene {
    fn query(&self, engine: Engine) -> String {
        let name = self.name;
        match (engine, self.mode) {
            (Engine::Exec, "consume") => "taken".to_owned(),
            (Engine::Exec, _) => name.to_owned(),
            (_, "threshold") => format!("SELECT count(*) AS n FROM {name}"),
            (_, "consume") => {
                format!("SELECT id, v FROM {name} WHERE claim = :claim AND done = 0 ORDER BY id")
            }
            (_, "cursor") => format!("SELECT id, v FROM {name}"),
            _ => format!("SELECT id, v FROM {name} ORDER BY id"),
        }
    }

    fn make(&self, shop: &Shop) {
        let name = self.name;
        match shop.engine {
            Engine::Exec => {
                shop.append("todo", "");
                shop.append("taken", "");
            }
            _ => shop.put(&format!(
                "CREATE TABLE {name}(id BIGINT PRIMARY KEY, v VARCHAR(20), claim VARCHAR(80), done INT DEFAULT 0)"
            )),
        }
    }

    /// Makes the table hold these rows; rows of a queue are added.
    fn fill(&self, shop: &Shop, rows: &[Row]) {
        let name = self.name;
        let adds = self.mode == "consume";
        if shop.engine == Engine::Exec {
            let line = |(id, v): &Row| format!("{}\n", serde_json::json!({"id": id, "v": v}));
            let text: String = match self.mode {
                "threshold" => format!("{{\"n\":{}}}\n", rows.len()),
                _ => rows.iter().map(line).collect(),
            };
            match adds {
                true => shop.append("todo", &text),
                false => drop(shop.instance.sandbox.file(name, text.as_bytes())),
            }
            return;
        }
        if !adds {
            shop.put(&format!("DELETE FROM {name}"));
        }
        for (id, v) in rows {
            let v = v.map_or("NULL".to_owned(), |v| format!("'{v}'"));
            shop.put(&format!("INSERT INTO {name}(id, v) VALUES({id}, {v})"));
        }
    }

    fn watch(&self, shop: &Shop) {
        let name = self.name;
        let (claim, ack) = match shop.engine {
            Engine::Exec => ("claim".to_owned(), "ack".to_owned()),
            _ => (
                format!("UPDATE {name} SET claim = :claim WHERE done = 0 AND claim IS NULL"),
                format!("UPDATE {name} SET done = 1 WHERE id = :id"),
            ),
        };
        let mut flags = vec!["--mode", self.mode, "--every", "1h"];
        flags.extend(self.flags);
        if self.mode == "consume" {
            flags.extend(["--claim", &claim, "--ack", &ack]);
        }
        shop.watch(name, &self.query(shop.engine), &flags);
    }
}

/// Plays all scenes with one engine, and tells what came of each.
fn account(shop: &Shop) -> String {
    for scene in SCENES {
        scene.make(shop);
        scene.fill(shop, scene.tables[0]);
        scene.watch(shop);
        shop.polled(scene.name, 1);
    }
    for at in 1..SCENES.iter().map(|s| s.tables.len()).max().unwrap() {
        shop.settled();
        for scene in SCENES {
            if let Some(rows) = scene.tables.get(at) {
                scene.fill(shop, rows);
                let args = ["watch", "poll", scene.name, "--wait"];
                shop.instance.sandbox.ok(&args);
            }
        }
    }
    shop.settled();
    SCENES.iter().map(|scene| told(shop, scene)).collect()
}

/// What was delivered to each run, as the runs themselves wrote it down.
fn got(shop: &Shop) -> Vec<(i64, String, Value)> {
    let line = |line: String| {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let input: Value = serde_json::from_str(words[3]).expect("JSON");
        assert_eq!(input["delivery"], words[2]);
        let told = format!("{} {}", words[1], words[2]);
        (words[0].parse().expect("a run"), told, input)
    };
    shop.instance.lines("got").into_iter().map(line).collect()
}

fn told(shop: &Shop, scene: &Scene) -> String {
    let mut text = format!("{} ({})\n", scene.name, scene.mode);
    let got = got(shop);
    for (n, poll) in (1..).zip(shop.polls(scene.name)) {
        let number = |key: &str| poll[key].to_string();
        let (rows, fresh, cursor) = (number("rows"), number("fresh_rows"), number("cursor_after"));
        let outcome = poll["outcome"].as_str().unwrap();
        // How much a cursor reads beyond what it has seen is a matter of the engine.
        match scene.mode {
            "cursor" => writeln!(text, "  {outcome}: {fresh} new, cursor {cursor}").unwrap(),
            _ => writeln!(text, "  {outcome}: {rows} rows, {fresh} new").unwrap(),
        }
        for run in poll["runs"].as_array().unwrap() {
            let mine: Vec<_> = got.iter().filter(|(id, ..)| run == id).collect();
            let [(_, told, input)] = mine[..] else {
                panic!("run {run} was given its input once, not {mine:?}");
            };
            assert_eq!(input["poll"], poll["poll"]);
            let id = poll["poll"].to_string();
            let told = told.replace(&format!(":{id}:"), &format!(":@{n}:"));
            let told = told.replace(&format!("..{id}:"), &format!("..@{n}:"));
            writeln!(text, "    {told} {}", input["rows"]).unwrap();
        }
    }
    text
}

fn same(engine: Engine) {
    let Some(mut shop) = Shop::open(engine) else {
        return;
    };
    let told = account(&shop);
    assert_eq!(told, GOLDEN.trim_start_matches('\n'), "{told}");
    shop.instance.stop_and_audit();
}

#[test]
fn watch_golden_on_sqlite() {
    same(Engine::Sqlite);
}

#[test]
fn watch_golden_on_postgres() {
    same(Engine::Postgres);
}

#[test]
fn watch_golden_on_mariadb() {
    same(Engine::Maria);
}

#[test]
fn watch_golden_of_a_command() {
    same(Engine::Exec);
}
