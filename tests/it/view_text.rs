//! Text that is not ours, times and tables.

use crake::schedule::Zone;
use crake::view::table::Table;
use crake::view::text::{clean, clean_all, columns};
use crake::view::time::{day_start, relative, rfc3339, short, span, stamp};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::{Just, Strategy};

#[test]
fn sequences_are_removed_whole_and_plain_text_stays() {
    for (given, shown) in [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0;2;0;0;0\x1b\\x", "x"),
        ("\u{9b}31mred", "red"),
        ("\u{9d}0;title\u{9c}x", "x"),
        ("\x1b(Bplain\x1bc", "plain"),
        ("a\x1b", "a"),
        ("\x1b]never ended\nnext", " next"),
        ("back\x08\x08\x7fspace\r", "backspace"),
        ("a\tb", "a       b"),
        ("ab\u{202e}cd\u{2066}ef\u{200b}gh", "abcdefgh"),
        ("日本語 ok", "日本語 ok"),
    ] {
        assert_eq!(clean_all(given), shown, "{given:?}");
    }
}

#[test]
fn what_is_too_long_ends_with_an_ellipsis_within_its_columns() {
    assert_eq!(clean("abcdef", 6), "abcdef");
    assert_eq!(clean("abcdef", 5), "abcd…");
    assert_eq!(clean("日本語", 5), "日本…");
    assert_eq!(clean("日本語", 4), "日…");
    assert_eq!(clean("abc", 1), "…");
    assert_eq!(clean("abc", 0), "");
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        Just("\x1b[".to_owned()),
        Just("\x1b]0;".to_owned()),
        Just("\x1bP".to_owned()),
        Just("\x1b".to_owned()),
        Just("\u{9b}".to_owned()),
        Just("\u{9c}".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("\u{2067}".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("31m".to_owned()),
        Just("\t".to_owned()),
        Just("日".to_owned()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|v| v.concat())
}

proptest! {
    #[test]
    fn no_control_and_no_turn_of_direction_gets_through(text in hostile(), width in 0_usize..40) {
        for shown in [clean(&text, width), clean_all(&text)] {
            for c in shown.chars() {
                prop_assert!(!c.is_control(), "{c:?} in {shown:?}");
                let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                    | '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{61c}');
                prop_assert!(!turns, "{c:?} in {shown:?}");
            }
            prop_assert_eq!(clean_all(&shown), shown.clone());
        }
        prop_assert!(columns(&clean(&text, width)) <= width);
    }
}

#[test]
fn instants_carry_the_offset_of_their_zone() {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    assert_eq!(rfc3339(0, &berlin), "1970-01-01T01:00:00+01:00");
    assert_eq!(
        rfc3339(1_789_000_001_204, &berlin),
        "2026-09-10T02:26:41.204+02:00"
    );
    assert_eq!(rfc3339(0, &Zone::utc()), "1970-01-01T00:00:00+00:00");
    let monrovia = Zone::named("Africa/Monrovia").unwrap();
    assert_eq!(rfc3339(0, &monrovia), "1969-12-31T23:15:00-00:45");
}

#[test]
fn a_day_begins_at_its_first_instant() {
    let zone = Zone::named("America/Sao_Paulo").unwrap();
    // 2018-11-04: the clock jumped from 00:00 to 01:00.
    let noon = 1_541_340_000_000;
    assert_eq!(
        rfc3339(day_start(noon, &zone), &zone),
        "2018-11-04T01:00:00-02:00"
    );
}

#[test]
fn lengths_and_distances_are_short() {
    for (ms, text) in [
        (0, "0ms"),
        (212, "212ms"),
        (12_040, "12.0s"),
        (91_000, "1m31s"),
        (60_000, "1m"),
        (6_480_000, "1h48m"),
        (518_400_000, "6d"),
        (-5, "0ms"),
    ] {
        assert_eq!(span(ms), text);
    }
    for (ms, text) in [
        (2_520_000, "42m"),
        (6_480_000, "1h48m"),
        (7_200_000, "2h"),
        (82_800_000, "23h"),
        (172_800_000, "48h"),
        (518_400_000, "6d"),
    ] {
        assert_eq!(short(ms), text);
    }
    assert_eq!(relative(16_000, 0), "in 16s");
    assert_eq!(relative(0, 2_520_000), "42m ago");
    assert_eq!(relative(500, 0), "now");
    let utc = Zone::utc();
    assert_eq!(stamp(3_600_000, &utc, 7_200_000), "01:00:00");
    assert_eq!(stamp(0, &utc, 90_000_000), "1970-01-01 00:00:00");
}

#[test]
fn tables_align_by_columns_and_fit_where_a_width_is_given() {
    let mut table = Table::new(&["JOB", "DETAIL"]);
    table.row(["日本".to_owned(), String::new()]);
    table.row(["b\x1b[2J".to_owned(), "x".repeat(60)]);
    let write = |width| {
        let mut out = Vec::new();
        table.write(&mut out, width).unwrap();
        String::from_utf8(out).unwrap()
    };
    let plain = write(None);
    assert!(
        plain.starts_with("JOB   DETAIL\n日本  -\nb     xxx"),
        "{plain}"
    );
    assert!(write(Some(30)).lines().all(|l| columns(l) <= 30));
}
