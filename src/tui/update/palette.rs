//! The command palette: exactly the command line, so there is one language to learn.

use crate::tui::message::Effect;
use crate::tui::state::{State, Tab};
use crate::tui::update::keys::go;

/// Commands that only look; the rest is refused where nothing may be changed.
const LOOKING: [&str; 13] = [
    "show", "list", "ls", "ps", "history", "fires", "logs", "next", "explain", "audit", "status",
    "check", "doctor",
];

/// Takes a command line in.
///
/// # Errors
/// Why it is not carried out.
pub fn carry_out(state: &mut State, text: &str) -> Result<Vec<Effect>, String> {
    let argv = words(text)?;
    let Some(verb) = argv.first() else {
        return Ok(Vec::new());
    };
    if argv.len() == 1 {
        if let Some(tab) = Tab::named(verb) {
            go(state, tab);
            return Ok(Vec::new());
        }
        if matches!(verb.as_str(), "q" | "quit" | "exit") {
            return Ok(vec![Effect::Quit]);
        }
    }
    match verb.as_str() {
        "top" | "tui" => return Err("you are in it".to_owned()),
        "daemon" => return Err("a daemon outlives the dashboard: start it in a shell".to_owned()),
        verb if state.is_read_only() && !only_looks(verb, &argv) => {
            return Err("read-only: nothing may be changed".to_owned());
        }
        _ => {}
    }
    Ok(vec![if goes_on(&argv) {
        Effect::OnTerminal(argv)
    } else {
        Effect::Act(argv)
    }])
}

/// Verbs of sources and watches that only look.
const LOOKING_THERE: [&str; 6] = ["ls", "list", "show", "polls", "test", "tail"];

fn only_looks(verb: &str, argv: &[String]) -> bool {
    let second = argv.get(1).map_or("", String::as_str);
    let nested = matches!(verb, "watch" | "source") && LOOKING_THERE.contains(&second);
    nested || LOOKING.contains(&verb)
}

/// Whether a command goes on until it is ended, or needs the terminal.
fn goes_on(argv: &[String]) -> bool {
    let has = |words: &[&str]| argv.iter().any(|word| words.contains(&word.as_str()));
    match argv.first().map_or("", String::as_str) {
        "edit" => argv.len() == 2,
        "run" => !has(&["-d", "--detach"]),
        "logs" | "events" => has(&["-f", "--follow"]),
        "status" => has(&["--watch"]),
        "wait" | "demo" => true,
        "watch" => has(&["tail"]),
        _ => false,
    }
}

/// Splits a line into words as a shell does with quotes, and nothing else of it.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_with_quotes() {
        let split = |text| words(text).unwrap();
        assert_eq!(split("run backup -d"), ["run", "backup", "-d"]);
        assert_eq!(split("add x -c 'a b' \"\""), ["add", "x", "-c", "a b", ""]);
        assert_eq!(split("  "), Vec::<String>::new());
        assert!(words("add 'x").is_err());
    }
}
