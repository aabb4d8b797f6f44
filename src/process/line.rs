//! Command lines that need no shell.
//!
//! Starting a shell only to have it start the program costs more than twice as much as starting the
//! program. A line is taken apart here only if it is beyond doubt that a shell would make the same
//! of it; everything else is the shell's.

/// Words a shell acts on by itself, in POSIX `sh`, dash or bash.
const SHELL_WORDS: &[&str] = &[
    ".",
    ":",
    "[",
    "[[",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "chdir",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "enable",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "fi",
    "for",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "then",
    "time",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
];

/// The words of a line that consists of a program and plain arguments and of nothing a shell would
/// act on: no quotes, expansions, patterns, redirections, assignments, builtins or second line.
/// Nothing where there is any doubt.
pub fn plain_words(line: &[u8]) -> Option<Vec<&str>> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b" \t_./:=@%+,-".contains(b);
    if !line.iter().all(plain) {
        return None;
    }
    let text = std::str::from_utf8(line).ok()?;
    let words: Vec<&str> = text.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
    let first = words.first()?;
    let of_the_shell =
        first.contains(['=', '%']) || first.starts_with(['-', '+']) || SHELL_WORDS.contains(first);
    (!of_the_shell).then_some(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use crate::process::line::plain_words;

    #[test]
    fn a_program_with_plain_arguments_needs_no_shell() {
        let words = |line: &'static str| plain_words(line.as_bytes());
        assert_eq!(words("/usr/bin/backup"), Some(vec!["/usr/bin/backup"]));
        assert_eq!(
            words("  rsync -a --delete host:/srv/a /b\t-e=x "),
            Some(vec!["rsync", "-a", "--delete", "host:/srv/a", "/b", "-e=x"])
        );
        assert_eq!(words("date +%s"), Some(vec!["date", "+%s"]));
    }

    #[test]
    fn whatever_a_shell_would_act_on_is_left_to_it() {
        for line in [
            "", "  ", "a; b", "a | b", "a && b", "a &", "a > f", "a < f", "a $B", "a `b`", "a 'b'",
            "a \"b\"", "a \\b", "a *", "a ?", "a [b]", "a {b,c}", "a ~", "a # b", "! a", "(a)",
            "A=b c", "A=b", "cd /tmp", "echo a", "exec a", ". a", ": a", "true", "exit 3", "a\nb",
            "%1", "-a", "a ^b", "if", "\u{e4}", "a\rb", "a\0b",
        ] {
            assert_eq!(plain_words(line.as_bytes()), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn words_hold_nothing_a_shell_acts_on(line in prop::collection::vec(any::<u8>(), 0..40)) {
            for word in plain_words(&line).unwrap_or_default() {
                assert!(!word.is_empty());
                assert!(!word.contains([' ', '\n', '$', '\'', '"', '\\', ';', '|', '&', '*', '~']));
            }
        }
    }
}
