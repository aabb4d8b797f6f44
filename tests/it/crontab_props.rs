//! Arbitrary bytes: the reader takes them all, and what it says of them holds together.

use std::collections::BTreeMap;

use crake::crontab::{
    Dialect, Format, HostFacts, Table, join_command, put_marks, split_command, suggest_names,
    unmark, warnings,
};
use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

const BOTH: [Dialect; 2] = Dialect::ALL;

/// Bytes that look like tables often enough to get deep into the reader.
fn table_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        6 => prop::sample::select(b"0123456789*/-,~ \t\n@#=%\\'\"\0\r\xffabdelyrootnjmfi".to_vec()),
        1 => any::<u8>(),
    ];
    let piece = prop_oneof![
        3 => prop::collection::vec(byte, 0..40),
        1 => prop::sample::select(vec![
            b"* * * * * ".to_vec(), b"@daily ".to_vec(), b"A=".to_vec(), b"0 5-0 * jan 1-5/2 ".to_vec(),
            b"4294967295-7/2147483647".to_vec(), b"99999999999999999999".to_vec(), b"\n".to_vec(),
        ]),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn spans_tile_the_file(bytes in table_bytes()) {
        for dialect in BOTH {
            for format in [Format::User, Format::Root, Format::System] {
                let table = Table::parse(&bytes, dialect, format);
                let mut end = 0;
                for line in &table.lines {
                    prop_assert_eq!(line.span.start, end);
                    prop_assert!(line.span.end > line.span.start);
                    end = line.span.end;
                }
                prop_assert_eq!(end, bytes.len());
                for (_, entry) in table.entries() {
                    split_command(&entry.raw_command, dialect);
                }
                warnings(&table, &bytes, &HostFacts::default());
                let names = suggest_names(&table, &bytes);
                prop_assert_eq!(names.len(), table.entries().count());
            }
        }
    }

    /// Marks change nothing but the lines they are put on, and are taken away without a trace.
    #[test]
    fn marks_come_and_go_without_a_trace(bytes in table_bytes(), chosen in any::<u64>()) {
        let lines = bytes.split_inclusive(|b| *b == b'\n').count();
        let ids: BTreeMap<usize, String> = (1..=lines)
            .filter(|line| chosen >> (line % 64) & 1 == 1)
            .map(|line| (line, format!("{:08x}", (line as u32).wrapping_mul(0x9e37_79b9))))
            .collect();
        let marked = put_marks(&bytes, &ids);
        let back = unmark(&marked, |_| true);
        prop_assert_eq!(&back.bytes, &bytes);
        prop_assert_eq!(&back.marks, &ids);
        for dialect in BOTH {
            Table::parse(&marked, dialect, Format::User).with_disabled(&marked);
        }
    }

    /// A command that was written reads back the same, or is not written.
    #[test]
    fn joined_commands_read_back(
        command in prop::collection::vec(prop::sample::select(b"ab \\%'\"".to_vec()), 1..20),
        input in prop::option::of("[a%\\\n]{1,12}"),
    ) {
        for dialect in BOTH {
            let input = input.as_ref().map(|text| text.as_bytes());
            if let Some(raw) = join_command(&command, input, dialect) {
                let back = split_command(&raw, dialect);
                prop_assert_eq!(&back.command, &command);
                prop_assert_eq!(back.stdin.as_deref(), input);
            }
        }
    }

    /// What the effective text says is what was read, in either dialect.
    #[test]
    fn effective_text_reads_back(
        fields in prop::collection::vec("[0-9*]{1,2}([-/,~#][0-9]{1,2}){0,2}", 5),
    ) {
        let line = format!("{} x\n", fields.join(" "));
        for dialect in BOTH {
            let table = Table::parse(line.as_bytes(), dialect, Format::User);
            let Some((_, entry)) = table.entries().next() else { continue };
            let Some(effective) = &entry.effective else { continue };
            let again = format!("{effective} x\n");
            for reader in BOTH {
                // A weekday range that ends in 0 is cronie's own.
                if reader != dialect && effective.contains("-0") {
                    continue;
                }
                let table = Table::parse(again.as_bytes(), reader, Format::User);
                let sets = table.entries().next().map(|(_, entry)| entry.sets);
                let emptied = entry.sets.dom == 0 || entry.sets.dow == 0;
                prop_assert!(emptied || sets == Some(entry.sets), "{line} -> {effective}");
            }
        }
    }
}
