//! Lines, settings, commands and effective schedules, case by case.

use crake::crontab::{
    Dialect, Entry, Field, Format, LineKind, Refusal, Table, Verdict, split_command,
};

const BOTH: [Dialect; 2] = Dialect::ALL;

fn entry_of(line: &[u8], dialect: Dialect, format: Format) -> Entry {
    match Table::parse(line, dialect, format)
        .lines
        .swap_remove(0)
        .kind
    {
        LineKind::Entry(entry) => *entry,
        other => panic!("{} as {dialect}: {other:?}", line.escape_ascii()),
    }
}

fn reason_of(line: &[u8], dialect: Dialect, format: Format) -> &'static str {
    match Table::parse(line, dialect, format)
        .lines
        .swap_remove(0)
        .kind
    {
        LineKind::Error(problem) => problem.reason,
        other => panic!("{} as {dialect}: {other:?}", line.escape_ascii()),
    }
}

#[test]
fn percent_ends_the_command_and_starts_the_input() {
    type Case = (
        &'static str,
        &'static str,
        &'static str,
        Option<&'static str>,
    );
    const CASES: [Case; 12] = [
        ("mail", "mail", "mail", None),
        ("cat%one%two", "cat", "cat", Some("one\ntwo\n")),
        ("cat%one%", "cat", "cat", Some("one\n")),
        ("cat%", "cat", "cat", None),
        (r"date +\%F", "date +%F", "date +%F", None),
        (r"a\\b", r"a\b", r"a\\b", None),
        (r"a\\%b", r"a\", r"a\\", Some("b\n")),
        (r"a\nb\", r"a\nb\", r"a\nb\", None),
        (r"c%50\% off", "c", "c", Some("50% off\n")),
        (r"c%a\b\\c", "c", "c", Some("a\\b\\\\c\n")),
        (r"c%\", "c", "c", Some("\\")),
        (r"c%a\", "c", "c", Some("a\\\n")),
    ];
    for (raw, debian, cronie, stdin) in CASES {
        for (dialect, command) in [(Dialect::Debian, debian), (Dialect::Cronie, cronie)] {
            let split = split_command(raw.as_bytes(), dialect);
            assert_eq!(split.command, command.as_bytes(), "{raw} as {dialect}");
            assert_eq!(
                split.stdin.as_deref(),
                stdin.map(str::as_bytes),
                "{raw} as {dialect}"
            );
        }
    }
}

#[test]
fn settings_keep_what_each_cron_keeps() {
    type Case = (&'static str, Option<&'static str>, Option<&'static str>);
    const CASES: [Case; 16] = [
        ("A=b", Some("A=b"), Some("A=b")),
        (" A\t=\tb  ", Some("A=b"), Some("A=b")),
        ("A='b  '", Some("A=b"), Some("A=b  ")),
        ("A=\"'b'\"", Some("A=b"), Some("A='b'")),
        ("A='it''s'", None, None),
        ("A='b' c", None, None),
        ("A=b'c", Some("A=b'c"), Some("A=b'c")),
        ("A='b c", None, None),
        ("A=", None, Some("A=")),
        ("A=  ", None, Some("A=")),
        ("A=''", Some("A="), Some("A=")),
        ("''=b", Some("=b"), Some("=b")),
        ("'A=b'=c", None, None),
        ("'A'b=c", None, None),
        ("A==b", Some("A==b"), Some("A==b")),
        ("A=b\r", Some("A=b"), Some("A=b")),
    ];
    for (line, debian, cronie) in CASES {
        for (dialect, wanted) in [(Dialect::Debian, debian), (Dialect::Cronie, cronie)] {
            let bytes = format!("{line}\n");
            let table = Table::parse(bytes.as_bytes(), dialect, Format::User);
            let found = match &table.lines[0].kind {
                LineKind::Env { name, value, .. } => Some([name.as_slice(), value].join(&b'=')),
                _ => None,
            };
            assert_eq!(
                found.as_deref(),
                wanted.map(str::as_bytes),
                "{line} as {dialect}"
            );
        }
    }
}

#[test]
fn a_setting_holds_for_the_entries_below_it() {
    let bytes = b"A=1\nB=2\n@daily one\nA=3\n@daily two\n";
    let table = Table::parse(bytes, Dialect::Debian, Format::User);
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let seen: Vec<_> = table
        .entries()
        .map(|(line, _)| table.environment_of(line))
        .collect();
    assert_eq!(
        seen,
        [
            [pair("A", "1"), pair("B", "2")],
            [pair("A", "3"), pair("B", "2")]
        ]
    );
    let above: Vec<usize> = table
        .entries()
        .map(|(_, entry)| entry.settings_above)
        .collect();
    assert_eq!(above, [2, 3]);
}

#[test]
fn effective_text_says_what_was_read() {
    type Case = (&'static str, Option<&'static str>, Option<&'static str>);
    const CASES: [Case; 15] = [
        ("0 0 * * fri#2", Some("0 0 * * fri"), None),
        ("*-5 0 * * *", Some("* 0 * * *"), None),
        ("0~30 * * * *", Some("0 * * * *"), None),
        ("*/2/3 * * * *", Some("*/2 * * * *"), None),
        (
            "08 09 * JAN-mar *",
            Some("08 09 * JAN-mar *"),
            Some("08 09 * JAN-mar *"),
        ),
        ("0 0 * * 5-0", None, Some("0 0 * * 5-0")),
        ("5-0 0 * * *", None, Some("5-7 0 * * *")),
        ("5-0,9 0 * * *", Some("9 0 * * *"), Some("5-7,9 0 * * *")),
        ("9-5,* 0 * * *", Some("0-59 0 * * *"), Some("0-59 0 * * *")),
        ("0 22-2 * * *", None, None),
        ("0 0 25-5 * 1", Some("0 0 * * 1"), Some("0 0 * * 1")),
        ("0 0 1 * 5-1", Some("0 0 1 * *"), Some("0 0 1 * *")),
        ("4294967301 0 * * *", Some("5 0 * * *"), Some("5 0 * * *")),
        ("@daily", Some("@daily"), Some("@daily")),
        (
            "0\t0  1,15 *  *",
            Some("0 0 1,15 * *"),
            Some("0 0 1,15 * *"),
        ),
    ];
    for (schedule, debian, cronie) in CASES {
        for (dialect, wanted) in [(Dialect::Debian, debian), (Dialect::Cronie, cronie)] {
            let line = format!("{schedule} x\n");
            let table = Table::parse(line.as_bytes(), dialect, Format::User);
            let found = table
                .entries()
                .next()
                .and_then(|(_, entry)| entry.effective.clone());
            assert_eq!(found.as_deref(), wanted, "{schedule} as {dialect}");
            for (_, entry) in table.entries() {
                assert_eq!(entry.schedule_text, schedule);
            }
        }
    }
}

#[test]
fn user_column_and_options() {
    let debian = entry_of(b"0 0 * * * root   x y\n", Dialect::Debian, Format::System);
    assert_eq!(debian.user.as_deref(), Some(&b"root"[..]));
    assert_eq!(debian.raw_command, b"  x y");
    let cronie = entry_of(
        b"-0 0 * * * root  -n  x y\n",
        Dialect::Cronie,
        Format::System,
    );
    assert_eq!(cronie.raw_command, b"x y");
    assert!(cronie.no_log && cronie.mail_on_failure_only);
    assert_eq!(
        entry_of(b"-@daily x\n", Dialect::Cronie, Format::Root).schedule_text,
        "@daily"
    );
    assert_eq!(
        reason_of(b"-0 0 * * * x\n", Dialect::Cronie, Format::User),
        "bad option"
    );
    assert_eq!(
        reason_of(b"-0 0 * * * x\n", Dialect::Debian, Format::Root),
        "bad minute"
    );
    assert_eq!(
        reason_of(b"0 0 * * * -n -n x\n", Dialect::Cronie, Format::User),
        "bad option"
    );
    assert_eq!(
        reason_of(b"0 0 * * * -q x\n", Dialect::Cronie, Format::User),
        "bad option"
    );
    for dialect in BOTH {
        assert_eq!(
            reason_of(b"0 0 * * * root\n", dialect, Format::System),
            "bad command"
        );
        assert_eq!(
            reason_of(b"* * * * * * x\n", dialect, Format::User),
            "bad command"
        );
        assert_eq!(
            reason_of(b"@daily * x\n", dialect, Format::User),
            "bad command"
        );
    }
    assert_eq!(
        entry_of(b"0 0 * * * root \n", Dialect::Debian, Format::System).raw_command,
        b""
    );
    assert_eq!(
        reason_of(b"0 0 * * * root \n", Dialect::Cronie, Format::System),
        "bad command"
    );
}

#[test]
fn limits_of_debian() {
    let line = |length: usize| format!("* * * * * {}\n", "a".repeat(length)).into_bytes();
    assert_eq!(
        entry_of(&line(998), Dialect::Debian, Format::User)
            .raw_command
            .len(),
        998
    );
    assert_eq!(
        reason_of(&line(999), Dialect::Debian, Format::User),
        "command too long"
    );
    assert_eq!(
        entry_of(&line(999), Dialect::Cronie, Format::User)
            .raw_command
            .len(),
        999
    );
    let full = "\n".repeat(10_000);
    assert!(
        Table::parse(full.as_bytes(), Dialect::Debian, Format::User)
            .verdict
            .is_accepted()
    );
    let over = full + "\n";
    let table = Table::parse(over.as_bytes(), Dialect::Debian, Format::User);
    assert_eq!(
        table.verdict,
        Verdict::Refused(Refusal::TooManyLines { limit: 10_000 })
    );
}

/// Debian's readers hand characters on as `char`; measured with `crontab -n` 3.0pl1-162.
#[test]
fn byte_ff_ends_a_field_in_debian() {
    const CASES: [(&[u8], &str); 4] = [
        (b"5\xff * * * * x\n", "bad minute"),
        (b"*\xff * * * * x\n", "bad minute"),
        (b"* \xff * * * x\n", "bad minute"),
        (b"* * * * * \xffx\n", "bad day-of-week"),
    ];
    for (line, reason) in CASES {
        assert_eq!(reason_of(line, Dialect::Debian, Format::User), reason);
    }
    entry_of(b"*x\xff * * * * x\n", Dialect::Debian, Format::User);
    let command = entry_of(b"* * * * * \xffx\n", Dialect::Cronie, Format::User).raw_command;
    assert_eq!(command, b"\xffx");
}

#[test]
fn a_nul_ends_the_command_and_the_rest_is_a_new_line() {
    let bytes = b"* * * * * x\0@daily y\n@daily z\n";
    for dialect in BOTH {
        let table = Table::parse(bytes, dialect, Format::User);
        let found: Vec<_> = table
            .entries()
            .map(|(line, entry)| (line.number, entry.raw_command.clone()))
            .collect();
        assert_eq!(
            found,
            [(1, b"x".to_vec()), (1, b"y".to_vec()), (2, b"z".to_vec())]
        );
    }
}

#[test]
fn what_runs_after_a_mistake_depends_on_the_cron() {
    let bad = b"@daily one\noops\n@daily two\n";
    let cut = b"@daily one\n@daily two";
    let live = |bytes: &[u8], dialect| {
        let table = Table::parse(bytes, dialect, Format::User);
        let lines: Vec<usize> = table.live_entries().map(|(line, _)| line.number).collect();
        (table.verdict.to_string(), lines)
    };
    assert_eq!(live(bad, Dialect::Debian), ("reject".to_owned(), vec![]));
    assert_eq!(
        live(bad, Dialect::Cronie),
        ("reject".to_owned(), vec![1, 3])
    );
    let word = "reject(no final newline)".to_owned();
    assert_eq!(live(cut, Dialect::Debian), (word.clone(), vec![]));
    assert_eq!(live(cut, Dialect::Cronie), (word, vec![1]));
    for dialect in BOTH {
        assert_eq!(
            live(b"@daily one\n# end", dialect),
            ("ok".to_owned(), vec![1])
        );
    }
}

#[test]
fn a_complaint_names_field_and_column() {
    let table = Table::parse(b"  0 25 * * * x\n", Dialect::Cronie, Format::User);
    let (line, problem) = table.complaints().next().expect("a complaint");
    assert_eq!(
        (line.number, problem.reason, problem.column),
        (1, "bad hour", 5)
    );
    assert_eq!(problem.field, Some(Field::Hour));
    assert_eq!(
        problem.explanation,
        "25 is outside 0-23, the values of the hour"
    );
}

#[test]
fn the_sample_table_is_good_in_both() {
    let bytes = include_bytes!("../data/sample.crontab");
    for dialect in BOTH {
        let table = Table::parse(bytes, dialect, Format::User);
        assert_eq!(table.verdict, Verdict::Accepted, "{dialect}");
        assert_eq!(table.entries().count(), 5);
        assert!(table.entries().all(|(_, entry)| entry.effective.is_some()));
    }
}
