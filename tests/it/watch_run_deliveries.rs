//! What the jobs of watches are given.

use crate::support::ticking::{mended, overwrite};
use crate::support::wait::until;
use crate::support::watching::Field;

#[test]
fn watch_run_a_long_input_is_read_from_a_file_also_when_it_is_done_again() {
    let field = Field::new();
    field.put("INSERT INTO t VALUES(1, hex(zeroblob(50000)))");
    let flags = [
        "--mode",
        "cursor",
        "--key",
        "id",
        "--initial",
        "min",
        "--every",
        "1h",
    ];
    field.watch("w", "SELECT * FROM t", &flags);
    field.until_ids(&[1]);
    let path: String = field.instance.cell("SELECT input_path FROM run").unwrap();
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(field.instance.lines("got"), [kept]);
    let inline: Option<String> = field.instance.cell("SELECT input FROM run").unwrap();
    assert_eq!(inline, None);
    field.instance.succeeded("eat", 1);
    field.instance.sandbox.ok(&["retry", "eat"]);
    field.until_ids(&[1, 1]);
    let names: Vec<String> = field
        .got()
        .iter()
        .map(|one| one["delivery"].to_string())
        .collect();
    assert_eq!(names, ["\"w:1\"", "\"w:1\""]);
}

#[test]
fn watch_run_values_become_whole_arguments_and_variables_and_no_commands() {
    let field = Field::new();
    let here = field.instance.sandbox.path("");
    let here = here.to_str().unwrap();
    let script =
        r#"printf '%s|' "$@" "$ROW_V" "$CRAKE_DELIVERY" "$PGAPPNAME" > args; cat > /dev/null"#;
    let command = [
        "/bin/sh", "-c", script, "x", "{id}", "{v}", "a{id}", "{none}",
    ];
    field
        .instance
        .sandbox
        .ok(&[&["add", "argued", "--cwd", here, "--"][..], &command].concat());
    field.put("INSERT INTO t VALUES(7, '$(touch harm); {id}')");
    let flags = [
        "--mode",
        "new",
        "--key",
        "id",
        "--every",
        "1h",
        "--deliver",
        "row",
        "--job",
        "argued",
    ];
    field.watch("w", "SELECT * FROM t", &flags);
    field.instance.succeeded("argued", 1);
    let run: i64 = field.instance.cell("SELECT id FROM run").unwrap();
    let wanted = format!(
        "7|$(touch harm); {{id}}|a{{id}}|{{none}}|$(touch harm); {{id}}|w:7|crake/argued#{run}|"
    );
    assert_eq!(field.instance.lines("args"), [wanted]);
    assert!(!field.instance.sandbox.path("harm").exists());
}

#[test]
fn watch_run_a_watch_knows_where_it_was_after_the_store_was_made_anew() {
    let field = Field::new();
    let copy = field.instance.sandbox.path("home/backup/crake.db");
    until("a copy", || copy.exists().then_some(()));
    field.put("INSERT INTO t VALUES(1, 'a'), (2, 'b')");
    let flags = [
        "--mode",
        "cursor",
        "--key",
        "id",
        "--initial",
        "min",
        "--every",
        "300ms",
        "--deliver",
        "row",
    ];
    field.watch("w", "SELECT * FROM t", &flags);
    field.until_ids(&[1, 2]);
    field.polled_again("w", 2);
    let last: i64 = field.instance.cell("SELECT max(id) FROM poll").unwrap();
    overwrite(&field.instance, |size| (0, size));
    mended(&field.instance, 0);
    field.put("INSERT INTO t VALUES(3, 'c')");
    field.until_ids(&[1, 2, 3]);
    field.polled_again("w", 3);
    assert_eq!(field.ids(), [1, 2, 3], "nothing comes again");
    let next: i64 = field.instance.cell("SELECT max(id) FROM poll").unwrap();
    assert!(
        next > last + 100,
        "no number of a poll may come again: {next} after {last}"
    );
}
