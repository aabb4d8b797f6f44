//! What a command asks of the machine it runs on: programs, guards, directories of scripts.
//!
//! Only what is plain to see is given: a command that looks itself whether something is there, or that
//! is more than a row of simple commands, gives nothing.

use crate::crontab::emulate::matches_minute;
use crate::crontab::field::FieldSets;
use crate::crontab::shell_words::simple_commands;

/// Words of the shell that stand where a program would, or make a line more than a row of commands.
const BUILTINS: [&str; 40] = [
    ".", ":", "alias", "bg", "break", "cd", "continue", "echo", "eval", "exec", "exit", "export",
    "false", "fg", "getopts", "jobs", "kill", "let", "local", "popd", "printf", "pushd", "pwd",
    "read", "readonly", "return", "set", "shift", "shopt", "source", "times", "trap", "true",
    "ulimit", "umask", "unalias", "unset", "wait", "declare", "builtin",
];
const LOOKS_ITSELF: [&str; 7] = ["[", "[[", "test", "command", "which", "type", "hash"];
const COMPOUND: [&str; 12] = [
    "if", "for", "while", "until", "case", "select", "function", "{", "(", "!", "time", "coproc",
];

/// The programs a command line names at the beginning of its simple commands, as they are written.
pub fn programs(command: &str) -> Vec<String> {
    let commands = simple_commands(command);
    let first = |words: &Vec<String>| -> Option<String> {
        let mut words = words.iter();
        words.find(|word| !is_assignment(word)).cloned()
    };
    let firsts: Vec<String> = commands.iter().filter_map(first).collect();
    let leaves = |word: &String| {
        LOOKS_ITSELF.contains(&word.as_str())
            || COMPOUND.contains(&word.as_str())
            || word.starts_with(['(', '{'])
    };
    if firsts.iter().any(leaves) {
        return Vec::new();
    }
    // Behind a change of directory, a relative path is another one.
    let moves = firsts
        .iter()
        .any(|word| matches!(word.as_str(), "cd" | "pushd"));
    firsts
        .into_iter()
        .filter(|word| !BUILTINS.contains(&word.as_str()))
        .filter(|word| !word.contains(['$', '`', '(', ')', '{', '}', '*', '?', '~', '#', '=']))
        .filter(|word| !word.is_empty())
        .filter(|word| !moves || !word.contains('/') || word.starts_with('/'))
        .collect()
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Whether a command does nothing on a host that systemd has booted, which many packages' tables do:
/// a timer of the same package does the work there.
pub fn leaves_it_to_systemd(command: &str) -> bool {
    let squeezed = command.split_whitespace().collect::<Vec<_>>().join(" ");
    ["-d", "-e"].iter().any(|flag| {
        let guard = format!("{flag} /run/systemd/system");
        squeezed.find(&guard).is_some_and(|at| {
            let (before, behind) = squeezed.split_at(at);
            let behind = behind.get(guard.len()..).unwrap_or_default();
            let behind = behind.trim_start_matches([' ', ']', '/']);
            let negated = before.trim_end().ends_with('!');
            match negated {
                true => behind.starts_with("&&") || behind.starts_with("; then"),
                false => behind.starts_with("||"),
            }
        })
    })
}

/// The directory whose scripts a command has run-parts run.
pub fn parts_directory(command: &str) -> Option<String> {
    simple_commands(command).iter().find_map(|words| {
        // In a group the bracket is a word, or part of one.
        let at = words.iter().position(|word| {
            word.trim_start_matches('(').rsplit('/').next() == Some("run-parts")
        })?;
        let mut arguments = words.get(at + 1..)?.iter();
        let dir = arguments.find(|word| word.starts_with('/'))?;
        Some(dir.trim_end_matches([')', '/']).to_owned())
    })
}

/// The first of so many minutes from a local minute on (counted from 1970 on the zone's clock) that an
/// entry with a fixed time matches. One whose minute or hour begins with a star follows the clock.
pub fn fixed_time_within(sets: &FieldSets, from: i64, minutes: i64) -> Option<i64> {
    let fixed = !sets.minute_star && !sets.hour_star;
    (from..from + minutes).find(|minute| fixed && matches_minute(sets, *minute))
}
