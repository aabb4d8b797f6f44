//! Names for entries that have none: from markers, comments or the program they run.

use std::collections::HashMap;

use crate::crontab::command::split_command;
use crate::crontab::entry::Entry;
use crate::crontab::shell_words::simple_commands;
use crate::crontab::table::{Line, LineKind, Table};

/// Longest name.
const NAME_LIMIT: usize = 60;
/// Longest comment that is taken for a name rather than for prose.
const COMMENT_LIMIT: usize = 48;
const COMMENT_WORDS: usize = 7;

/// A name for the entry on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuggestedName {
    /// The number of the entry's line.
    pub line: usize,
    /// Letters, digits, `.`, `_` and `-`; at most 60 bytes; unique in the table.
    pub name: String,
}

/// Names every entry of a table, in file order, each name once.
///
/// `bytes` are those the table was read from; names that meet in the table first get the first
/// argument of the command added, then a number.
pub fn suggest_names(table: &Table, bytes: &[u8]) -> Vec<SuggestedName> {
    let candidates: Vec<(usize, Candidate)> = table
        .lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| match &line.kind {
            LineKind::Entry(entry) => Some((line.number, candidate(table, bytes, at, entry))),
            _ => None,
        })
        .collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for (_, candidate) in &candidates {
        *uses.entry(candidate.name.as_str()).or_default() += 1;
    }
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut names = Vec::with_capacity(candidates.len());
    for (line, candidate) in &candidates {
        let shared = uses
            .get(candidate.name.as_str())
            .is_some_and(|&count| count > 1);
        let wanted = match &candidate.argument {
            Some(argument) if shared => slug(&format!("{}-{argument}", candidate.name)),
            _ => candidate.name.clone(),
        };
        names.push(SuggestedName {
            line: *line,
            name: claim(&mut taken, wanted),
        });
    }
    names
}

/// The name for one entry alone, before it is made unique.
///
/// The order: a marker in the comment block directly above (`# Name:`, `#Ansible:`,
/// `# Puppet Name:`, `SALT_CRON_IDENTIFIER:`) or dcron's `ID=`, that block itself if it is short,
/// the base name of the program behind the usual wrappers.
pub fn suggest_name(table: &Table, bytes: &[u8], line: &Line) -> Option<String> {
    let at = table
        .lines
        .iter()
        .position(|other| other.span == line.span)?;
    match &line.kind {
        LineKind::Entry(entry) => Some(candidate(table, bytes, at, entry).name),
        _ => None,
    }
}

struct Candidate {
    name: String,
    /// What tells two runs of the same program apart.
    argument: Option<String>,
}

fn candidate(table: &Table, bytes: &[u8], at: usize, entry: &Entry) -> Candidate {
    let block = comment_block(table, bytes, at);
    let command = split_command(&entry.raw_command, table.dialect).command;
    let command = String::from_utf8_lossy(&command).into_owned();
    let marker = block
        .iter()
        .rev()
        .find_map(|text| marker(text))
        .or_else(|| {
            let word = command.trim_start().strip_prefix("ID=")?;
            word.split_whitespace().next().map(str::to_owned)
        });
    let said = marker
        .or_else(|| short_comment(&block))
        .map(|text| slug(&text));
    if let Some(name) = said.filter(|name| !name.is_empty()) {
        return Candidate {
            name,
            argument: None,
        };
    }
    let (program, argument) = program_and_argument(&command);
    let name = slug(&program);
    let name = if name.is_empty() {
        "job".to_owned()
    } else {
        name
    };
    Candidate {
        name,
        argument: argument.map(|word| slug(&base_name(&word))),
    }
}

/// The comments directly above a line, without `#` and blanks, top to bottom.
fn comment_block(table: &Table, bytes: &[u8], at: usize) -> Vec<String> {
    let above = table.lines.get(..at).unwrap_or_default();
    let mut block: Vec<String> = above
        .iter()
        .rev()
        .take_while(|line| line.kind == LineKind::Comment)
        .map(|line| {
            let text = bytes.get(line.span.clone()).unwrap_or_default();
            let text = String::from_utf8_lossy(text).into_owned();
            text.trim().trim_start_matches('#').trim().to_owned()
        })
        .collect();
    block.reverse();
    block
}

/// The markers that tools leave above the entries they own.
fn marker(comment: &str) -> Option<String> {
    const PREFIXES: [&str; 4] = ["Name:", "Ansible:", "Puppet Name:", "SALT_CRON_IDENTIFIER:"];
    let text = PREFIXES
        .into_iter()
        .find_map(|prefix| comment.strip_prefix(prefix))
        .or_else(|| {
            comment
                .split_once("SALT_CRON_IDENTIFIER:")
                .map(|(_, identifier)| identifier)
        })?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The comment block if it reads like a title: one or two lines, few words, no disabled entry.
fn short_comment(block: &[String]) -> Option<String> {
    let titles: Vec<&String> = block.iter().filter(|text| has_letters(text)).collect();
    let [.., last] = titles.as_slice() else {
        return None;
    };
    let words = last.split_whitespace().count();
    let looks_like_entry = last.starts_with(|c: char| c == '*' || c == '@' || c.is_ascii_digit());
    let is_heading = last.split_whitespace().next().is_some_and(|word| {
        matches!(
            word,
            "m" | "min" | "minute" | "minutes" | "mm" | "mh" | "edit" | "Edit"
        )
    });
    let short = titles.len() <= 2 && last.len() <= COMMENT_LIMIT && words <= COMMENT_WORDS;
    (short && !looks_like_entry && !is_heading).then(|| last.to_lowercase())
}

fn has_letters(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// The program a command line is about, and its first argument that is no option.
fn program_and_argument(command: &str) -> (String, Option<String>) {
    let commands = simple_commands(command);
    let peeled: Vec<Vec<String>> = commands.iter().map(|words| peel(words)).collect();
    let chosen = peeled
        .iter()
        .find(|words| words.first().is_some_and(|word| !is_guard(word)) && !is_inline_code(words))
        .or_else(|| peeled.iter().find(|words| !words.is_empty()));
    let Some([program, arguments @ ..]) = chosen.map(Vec::as_slice) else {
        return (String::new(), None);
    };
    let argument = arguments
        .iter()
        .find(|word| !word.starts_with('-') && has_letters(word));
    (script_name(program), argument.cloned())
}

/// Words in front of which nothing worth a name stands.
fn is_guard(word: &str) -> bool {
    matches!(
        word,
        "[" | "[["
            | "test"
            | "cd"
            | "pushd"
            | "export"
            | "."
            | "source"
            | "sleep"
            | "umask"
            | "set"
            | "ulimit"
            | "true"
            | ":"
            | "unset"
            | "fi"
            | "done"
            | "exit"
            | "command"
            | "which"
            | "]"
            | "}"
            | ")"
            | "trap"
            | "renice"
    )
}

/// Whether an interpreter runs code from its own command line, usually to wait a random time.
fn is_inline_code(words: &[String]) -> bool {
    let [interpreter, flag, ..] = words else {
        return false;
    };
    let base = base_name(interpreter);
    let interpreter = base.starts_with("python")
        || matches!(base.as_str(), "perl" | "ruby" | "php" | "node" | "awk");
    interpreter && matches!(flag.as_str(), "-e" | "-E" | "-c" | "-r")
}

/// Takes off what stands in front of the program: assignments, shell keywords, wrappers.
fn peel(words: &[String]) -> Vec<String> {
    let mut rest = words;
    while let Some(first) = rest.first() {
        let first = opened(first);
        let behind = rest.get(1..).unwrap_or_default();
        let dropped = wrapper_length(first, behind);
        if is_inline_code(rest) || dropped == 0 {
            break;
        }
        // `bash -c LINE` and `flock FILE -c LINE`: the line is a command line of its own.
        let line = match behind {
            [flag, line, ..] if takes_command_line(first) && is_command_flag(flag) => Some(line),
            [line, ..] if first == "-c" => Some(line),
            _ => None,
        };
        if let Some(line) = line {
            let (program, argument) = program_and_argument(line);
            return std::iter::once(program).chain(argument).collect();
        }
        if dropped >= rest.len() {
            // A wrapper with nothing behind it is the program itself.
            break;
        }
        rest = rest.get(dropped..).unwrap_or_default();
    }
    let (first, arguments) = match rest {
        [first, arguments @ ..] => (opened(first).to_owned(), arguments),
        [] => return Vec::new(),
    };
    std::iter::once(first)
        .chain(arguments.iter().cloned())
        .collect()
}

/// A word without the brackets of a subshell or group that stand in front of it.
fn opened(word: &str) -> &str {
    word.trim_start_matches(['(', '{'])
}

fn takes_command_line(word: &str) -> bool {
    matches!(
        base_name(word).as_str(),
        "bash" | "sh" | "dash" | "zsh" | "ksh" | "su"
    )
}

fn is_command_flag(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
}

/// How many words in front belong to a wrapper; 0 if `first` is the program.
fn wrapper_length(first: &str, rest: &[String]) -> usize {
    if first.is_empty() || first == "-c" || is_assignment(first) {
        return 1;
    }
    let base = base_name(first);
    let own_arguments = match base.as_str() {
        "if" | "then" | "else" | "while" | "do" | "!" | "{" | "(" | "exec" | "nohup"
        | "chronic" | "env" | "time" | "setsid" | "sudo" | "nice" | "ionice" | "run-one"
        | "stdbuf" | "doas" | "systemd-cat" | "caffeinate" | "eval" | "cronic" => 0,
        "bash" | "sh" | "dash" | "zsh" | "ksh" | "perl" | "ruby" | "php" | "node" | "java"
        | "Rscript" | "uv" | "poetry" | "su" => 0,
        base if base.starts_with("python") => 0,
        "timeout" | "flock" | "lockf" | "lockrun" | "chpst" => 1,
        _ => return 0,
    };
    let mut taken = 0;
    while let Some(option) = rest.get(taken).filter(|word| word.starts_with('-')) {
        taken += 1 + usize::from(option_takes_value(&base, option));
    }
    1 + taken + own_arguments
}

/// The options of the wrappers whose value is a word of its own.
fn option_takes_value(wrapper: &str, option: &str) -> bool {
    matches!(
        (wrapper, option),
        ("nice", "-n")
            | ("ionice", "-c" | "-n" | "-p")
            | ("sudo", "-u" | "-g" | "-C")
            | ("flock", "-w" | "-E" | "--timeout")
            | ("timeout", "-k" | "-s" | "--signal" | "--kill-after")
            | ("env", "-u" | "-C")
            | ("systemd-cat", "-t" | "-p")
            | ("php", "-d" | "-c")
    )
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn base_name(word: &str) -> String {
    let word = word.trim_end_matches('/');
    word.rsplit('/').next().unwrap_or(word).to_owned()
}

/// The base name without the usual endings of scripts.
fn script_name(word: &str) -> String {
    let base = base_name(word);
    const ENDINGS: [&str; 8] = [".sh", ".bash", ".py", ".pl", ".rb", ".php", ".js", ".jar"];
    ENDINGS
        .into_iter()
        .find_map(|ending| base.strip_suffix(ending))
        .unwrap_or(&base)
        .to_owned()
}

/// Makes a name of any text: other characters become single `-`, ends are trimmed.
fn slug(text: &str) -> String {
    let mut name = String::with_capacity(text.len().min(NAME_LIMIT));
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
            c
        } else {
            '-'
        };
        if c != '-' || !name.ends_with('-') {
            name.push(c);
        }
        if name.len() > NAME_LIMIT {
            break;
        }
    }
    name.truncate(NAME_LIMIT);
    name.trim_matches(['-', '.']).to_owned()
}

/// Takes a name, with a number behind it if it is taken already.
fn claim(taken: &mut HashMap<String, usize>, wanted: String) -> String {
    let mut number = taken.get(&wanted).copied().unwrap_or(0) + 1;
    let mut name = wanted.clone();
    while number > 1 || taken.contains_key(&name) {
        number = number.max(2);
        let suffix = format!("-{number}");
        let room = NAME_LIMIT.saturating_sub(suffix.len());
        name = format!("{}{suffix}", wanted.get(..room).unwrap_or(&wanted));
        if !taken.contains_key(&name) {
            break;
        }
        number += 1;
    }
    taken.insert(wanted, number);
    taken.entry(name.clone()).or_insert(1);
    name
}
