//! What is made of results that no database would give: those of commands.

use crake::model::{Initial, Mode, Rows, Watch};

use crate::watch_modes::{Life, rows, watch};

#[test]
fn watch_cursor_of_a_command_begins_after_all_that_is_there() {
    let mut life = Life::of(Watch {
        max_rows: 2,
        ..watch(Mode::Cursor, &["id"])
    });
    // A command that is asked for rows after the cursor gives them in pages.
    assert_eq!(life.ids(&rows(&[(1, "a"), (2, "b")])), [0_i64; 0]);
    assert_eq!(life.ids(&rows(&[(3, "c"), (4, "d")])), [0_i64; 0]);
    assert_eq!(life.ids(&rows(&[(5, "e")])), [0_i64; 0]);
    assert_eq!(life.ids(&rows(&[(5, "e"), (6, "f")])), [6]);
    let mut all = Life::of(watch(Mode::Cursor, &["id"]));
    assert_eq!(all.ids(&rows(&[])), [0_i64; 0]);
    assert_eq!(all.ids(&rows(&[(1, "a")])), [1], "nothing was there before");
}

#[test]
fn watch_cursor_does_not_read_the_same_page_for_ever() {
    let mut life = Life::of(Watch {
        max_rows: 2,
        initial: Initial::Min,
        ..watch(Mode::Cursor, &["id"])
    });
    let page = rows(&[(1, "a"), (2, "b")]);
    assert_eq!(life.ids(&page), [1, 2]);
    let e = life.poll(&page).unwrap_err();
    assert!(e.0.contains("the same came again"), "{e}");
    assert_eq!(life.ids(&rows(&[(3, "c")])), [3], "it goes on once it can");
}

#[test]
fn watch_rows_of_a_command_that_prints_nothing_have_no_columns_and_are_none() {
    for mode in [Mode::Cursor, Mode::New, Mode::Consume, Mode::Changed] {
        let mut life = Life::of(watch(mode, &["id"]));
        let none = life.poll(&Rows::default()).expect("nothing is no error");
        assert!(none.fresh.is_empty());
    }
}
