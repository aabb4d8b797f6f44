//! `:name` in statements.

use crake::model::Cell;
use crake::source::{ErrorKind, Marks, bind};

fn given(names: &[&str]) -> Vec<(String, Cell)> {
    let cell = |n: usize| Cell::Int(i64::try_from(n).expect("small"));
    let each = names.iter().enumerate();
    each.map(|(n, name)| ((*name).to_owned(), cell(n)))
        .collect()
}

#[test]
fn source_bind_finds_parameters_and_nothing_else() {
    use Marks::{Dollar, Each, Question};
    for (marks, sql, wanted) in [
        (Dollar, "SELECT :a", "SELECT $1"),
        (Dollar, "SELECT :a::int, x::text", "SELECT $1::int, x::text"),
        (Dollar, "SELECT ':b', \":c\", :a", "SELECT ':b', \":c\", $1"),
        (Dollar, "SELECT 'it''s :b' || :a", "SELECT 'it''s :b' || $1"),
        (Dollar, r"SELECT E'\':b', :a", r"SELECT E'\':b', $1"),
        (Dollar, r"SELECT '\', :a", r"SELECT '\', $1"),
        (
            Dollar,
            "SELECT $$:b$$, $x$ $$ :b $x$, :a",
            "SELECT $$:b$$, $x$ $$ :b $x$, $1",
        ),
        (Dollar, "SELECT :a -- :b\n, :a", "SELECT $1 -- :b\n, $1"),
        (
            Dollar,
            "SELECT /* :b /* :c */ :d */ :a",
            "SELECT /* :b /* :c */ :d */ $1",
        ),
        (Dollar, "SELECT a$b$, :a", "SELECT a$b$, $1"),
        (
            Question,
            "SELECT :a, [:b], `:c`, :a",
            "SELECT ?1, [:b], `:c`, ?1",
        ),
        (Question, r"SELECT '\', :a", r"SELECT '\', ?1"),
        (
            Each,
            r"SELECT '\':b', :a, :a # :c",
            r"SELECT '\':b', ?, ? # :c",
        ),
        (Each, "SELECT 1--1, :a -- :b", "SELECT 1--1, ? -- :b"),
        (Dollar, "SELECT :a; -- the end :b\n ", "SELECT $1"),
        (
            Dollar,
            "SELECT '12:30', :a WHERE x = 'ä:b'",
            "SELECT '12:30', $1 WHERE x = 'ä:b'",
        ),
    ] {
        let bound = bind(sql, &given(&["a"]), marks).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(bound.sql, wanted);
    }
}

#[test]
fn source_bind_orders_values_as_the_marks_are() {
    let given = given(&["x", "y"]);
    let dollar = bind("SELECT :y, :x, :y", &given, Marks::Dollar).expect("bound");
    assert_eq!(dollar.sql, "SELECT $1, $2, $1");
    assert_eq!(dollar.values, [Cell::Int(1), Cell::Int(0)]);
    let each = bind("SELECT :y, :x, :y", &given, Marks::Each).expect("bound");
    assert_eq!(each.values, [Cell::Int(1), Cell::Int(0), Cell::Int(1)]);
}

#[test]
fn source_bind_refuses_what_does_not_match_and_says_what_there_is() {
    let refused = |sql: &str, names: &[&str]| {
        let error = bind(sql, &given(names), Marks::Dollar).expect_err(sql);
        (error.kind, error.message, error.hint.unwrap_or_default())
    };
    let (kind, message, hint) = refused("SELECT :cursr", &["cursor", "now"]);
    assert_eq!(kind, ErrorKind::Params);
    assert_eq!(message, "there is no value for :cursr");
    assert_eq!(hint, "the parameters there are: :cursor, :now");
    let (kind, message, hint) = refused("SELECT :cursor", &["cursor", "now"]);
    assert_eq!(kind, ErrorKind::Params);
    assert_eq!(message, "the query has no :now");
    assert_eq!(hint, "it has :cursor");
    for sql in [
        "SELECT 1; DROP TABLE t",
        "SELECT 'open",
        "SELECT /* open",
        "",
        " ; ",
        "SELECT 1;'x'",
    ] {
        assert_eq!(refused(sql, &[]).0, ErrorKind::Sql, "{sql}");
    }
}

#[test]
fn source_bind_keeps_the_positions_of_what_was_written() {
    let bound = bind(
        "SELECT :long_name, :b, oops",
        &given(&["long_name", "b"]),
        Marks::Dollar,
    );
    let bound = bound.expect("bound");
    let at = bound.sql.find("oops").expect("there") + 1;
    let written = "SELECT :long_name, :b, oops".find("oops").expect("there") + 1;
    let at = u32::try_from(at).expect("small");
    assert_eq!(bound.written_position(at) as usize, written);
    assert_eq!(bound.written_position(3), 3);
}
