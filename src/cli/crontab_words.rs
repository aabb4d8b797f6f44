//! The arguments of crontab(1).

use std::ffi::OsString;
use std::path::Path;

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Whose table, where not one's own.
    pub user: Option<String>,
    /// Ask before a table is removed.
    pub ask: bool,
    /// What to do; none where nothing was said.
    pub verb: Option<Verb>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Write the table.
    List,
    /// Have it edited.
    Edit,
    /// Remove it.
    Remove,
    /// Bring back the one before.
    Undo,
    /// List the versions that are kept.
    Log,
    /// Say the version.
    Version,
    /// Say how it is called.
    Help,
    /// Only check a file.
    Check(String),
    /// Install a file, or standard input (`-`).
    Install(String),
}

/// How it is called.
pub const USAGE: &str = "usage: crontab [-u user] file\n       crontab [-u user] -\n       \
crontab [-u user] -l | -e | -r [-i] | --undo | --log\n       crontab -n file | -T file | -V";

/// The command line where the program is called `crontab`, or the verb is: everything behind it is
/// crontab's own, whatever it looks like.
pub fn as_crontab(mut args: Vec<OsString>) -> Vec<OsString> {
    let called = args.first().and_then(|name| Path::new(name).file_name());
    if called.is_some_and(|name| name == "crontab") {
        args.insert(1, "crontab".into());
    }
    // Only global options, and the value of --home, may stand in front of the verb.
    let mut at = 1;
    while let Some(word) = args.get(at).and_then(|word| word.to_str()) {
        match word {
            "crontab" => {
                if args
                    .get(at + 1)
                    .is_none_or(|next| next != "--help" && next != "--")
                {
                    args.insert(at + 1, "--".into());
                }
                break;
            }
            "--home" | "--color" => at += 2,
            word if word.starts_with('-') => at += 1,
            _ => break,
        }
    }
    args
}

/// The arguments, as getopt reads them: flags may stand together, and their value behind them.
///
/// # Errors
/// What is wrong with them, in words.
pub fn read(words: &[String]) -> Result<Wish, String> {
    let mut wish = Wish::default();
    let mut words = words.iter().peekable();
    let set = |wish: &mut Wish, verb: Verb| match wish.verb.replace(verb) {
        None => Ok(()),
        Some(_) => Err("only one operation permitted".to_owned()),
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "-" => set(&mut wish, Verb::Install("-".to_owned()))?,
            "--" => {}
            "--undo" => set(&mut wish, Verb::Undo)?,
            "--log" => set(&mut wish, Verb::Log)?,
            "--help" => set(&mut wish, Verb::Help)?,
            flags if flags.starts_with("--") => return Err(format!("unrecognized option {flags}")),
            flags if flags.starts_with('-') => {
                let mut letters = flags.chars().skip(1);
                while let Some(letter) = letters.next() {
                    let mut value = || {
                        let rest: String = letters.by_ref().collect();
                        let rest = Some(rest).filter(|rest| !rest.is_empty());
                        rest.or_else(|| words.next().cloned())
                            .ok_or_else(|| format!("option requires an argument -- '{letter}'"))
                    };
                    match letter {
                        'l' => set(&mut wish, Verb::List)?,
                        'e' => set(&mut wish, Verb::Edit)?,
                        'r' => set(&mut wish, Verb::Remove)?,
                        'V' => set(&mut wish, Verb::Version)?,
                        'h' => set(&mut wish, Verb::Help)?,
                        'i' => wish.ask = true,
                        // SELinux and debugging of cronie: nothing of it is here.
                        's' | 'b' => {}
                        'x' => drop(value()?),
                        'u' => wish.user = Some(value()?),
                        'n' | 'T' => {
                            let file = value()?;
                            set(&mut wish, Verb::Check(file))?;
                        }
                        other => return Err(format!("invalid option -- '{other}'")),
                    }
                }
            }
            file => set(&mut wish, Verb::Install(file.to_owned()))?,
        }
    }
    Ok(wish)
}
