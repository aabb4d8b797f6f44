//! What of a watch can be seen to be wrong before anybody is asked.

use crate::cli::error::{CliError, Kind, nearest};
use crate::engine::watch::builtin_names;
use crate::model::{Mode, Source, SourceEngine, Watch};
use crate::source::names_of;

/// Looks at a definition: does it hang together, does its source have what it needs, and is there a
/// value for each name in its statements.
///
/// # Errors
/// What is wrong, with what to do about it.
pub fn check(watch: &Watch, source: &Source) -> Result<(), CliError> {
    if let Some(fault) = watch.fault() {
        return Err(invalid(fault).hint(format!(
            "`crake watch add --help` says what mode {} takes",
            watch.mode
        )));
    }
    if watch.query.is_empty() {
        return Err(invalid("the query is empty").hint("write it after --query"));
    }
    if let Some(twice) = watch
        .params
        .iter()
        .enumerate()
        .find(|(i, (name, _))| watch.params[..*i].iter().any(|(n, _)| n == name))
    {
        return Err(
            invalid(format!("--param {} is given twice", twice.1.0)).hint("take one of them away")
        );
    }
    odd_flags(watch)?;
    listens(watch, source)?;
    let takes = watch.claim.is_some() || watch.ack.is_some() || watch.nack.is_some();
    if takes && !source.writable {
        let name = &source.name;
        return Err(
            invalid(format!("the source {name} is only read, and claims write"))
                .hint("make it anew with `crake source add --writable --replace`"),
        );
    }
    names(watch, source.engine)
}

fn invalid(message: impl Into<String>) -> CliError {
    CliError::new(Kind::Invalid, message)
}

/// Settings that would silently do nothing.
fn odd_flags(watch: &Watch) -> Result<(), CliError> {
    let limits = &watch.limits;
    let limited = limits.above.is_some()
        || limits.below.is_some()
        || limits.rearm.is_some()
        || limits.on_return;
    let odd = if limited && watch.mode != Mode::Threshold {
        "--above, --below, --rearm and --on-return belong to mode threshold"
    } else if watch.on_empty && watch.mode != Mode::Rows {
        "--on-empty belongs to mode rows"
    } else if watch.mode == Mode::Threshold && !watch.key.is_empty() {
        "mode threshold looks at one number: it has no --key"
    } else {
        return Ok(());
    };
    Err(invalid(odd).hint(format!("this watch has mode {}", watch.mode)))
}

fn listens(watch: &Watch, source: &Source) -> Result<(), CliError> {
    let Some(channel) = &watch.listen else {
        return Ok(());
    };
    let (fits, hint) = match source.engine {
        SourceEngine::Sqlite => (
            channel == "data_version",
            "write --listen data_version for a file of SQLite",
        ),
        SourceEngine::Postgres => (
            !channel.is_empty() && channel.len() < 64,
            "a channel is a name of at most 63 bytes, as in NOTIFY",
        ),
        SourceEngine::Mysql | SourceEngine::Exec => {
            (false, "leave --listen away and ask more often: --every 2s")
        }
    };
    match fits {
        true => Ok(()),
        false => Err(invalid(format!(
            "a source of engine {} tells nothing on \"{channel}\"",
            source.engine
        ))
        .hint(hint)),
    }
}

/// Each name in a statement has a value, and each value given has a name.
fn names(watch: &Watch, engine: SourceEngine) -> Result<(), CliError> {
    let builtins = builtin_names(watch);
    let own: Vec<String> = watch.params.iter().map(|(name, _)| name.clone()).collect();
    let mut used = Vec::new();
    let statements = [
        ("--query", Some(&watch.query), false),
        ("--claim", watch.claim.as_ref(), false),
        ("--ack", watch.ack.as_ref(), true),
        ("--nack", watch.nack.as_ref(), true),
    ];
    for (flag, statement, keyed) in statements {
        let Some(statement) = statement else {
            continue;
        };
        let names = names_of(engine, statement).map_err(|e| {
            let error = invalid(format!("{flag}: {}", e.message));
            error.hint(e.hint.unwrap_or_else(|| {
                "look where a quote or a comment begins that does not end".to_owned()
            }))
        })?;
        let known = |name: &String| {
            own.contains(name) || builtins.contains(name) || (keyed && watch.key.contains(name))
        };
        if let Some(unknown) = names.iter().find(|name| !known(name)) {
            return Err(no_value(flag, unknown, &own, &builtins));
        }
        used.extend(names);
    }
    // A command is given all there are.
    if engine == SourceEngine::Exec {
        return Ok(());
    }
    match own.iter().find(|name| !used.contains(name)) {
        Some(unused) => Err(invalid(format!("no statement has :{unused}")).hint(format!(
            "write :{unused} where its value is to be, or take --param {unused} away"
        ))),
        None => Ok(()),
    }
}

fn no_value(flag: &str, name: &str, own: &[String], builtins: &[String]) -> CliError {
    let all: Vec<String> = own.iter().chain(builtins).cloned().collect();
    let near = match nearest(name, &all) {
        Some(near) => format!("did you mean :{near}? "),
        None => String::new(),
    };
    invalid(format!("{flag}: there is no value for :{name}")).hint(format!(
        "{near}give one with --param {name}=TEXT or {name}:=JSON; without being given there are :{}",
        builtins.join(", :")
    ))
}
