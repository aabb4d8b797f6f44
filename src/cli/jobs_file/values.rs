//! The values of a jobs file, brought into the form of `edit`.

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use crate::cli::flags::bytes;
use crate::cli::jobs_file::fault::{Fault, Spot};
use crate::cli::jobs_file::keys::{Form, Key, OF_SCHEDULES, find};
use crate::cli::jobs_file::reading::Wanted;
use crate::model::{Backoff, format_duration, parse_duration};

/// Puts what stands behind a key into a definition.
///
/// # Errors
/// What cannot be its value.
pub fn put(wanted: &mut Wanted, name: &str, spot: &Spot, raw: &DeValue<'_>) -> Result<(), Fault> {
    let Some(key) = find(name) else {
        return Ok(());
    };
    let wrong = |text: String| Fault::new(spot, format!("{name}: {text}"));
    let value = plain(raw).map_err(wrong)?;
    let fits = fit(key, value).map_err(wrong)?;
    let table = &mut wanted.table;
    match (key.form, fits) {
        (Form::Flag, value) => wanted.enabled = value.as_bool(),
        (Form::Retry, Value::Table(retry)) => {
            let twice = table.contains_key("backoff") && retry.contains_key("delay");
            if twice {
                return Err(wrong("the wait is said by backoff as well".to_owned()));
            }
            put_retry(table, &retry).map_err(wrong)?;
        }
        (Form::Keep, Value::Table(keep)) => put_keep(table, &keep).map_err(wrong)?,
        (_, value) if name == "seed" => wanted.seed = value.as_integer(),
        (_, value) => drop(table.insert(name.to_owned(), value)),
    }
    Ok(())
}

/// A value without its place. Dates are the text they are written as.
fn plain(raw: &DeValue<'_>) -> Result<Value, String> {
    Ok(match raw {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            Value::Integer(read.map_err(|_| format!("{number} is too large"))?)
        }
        DeValue::Float(number) => {
            let read = number.as_str().parse();
            Value::Float(read.map_err(|_| format!("{number} is no number"))?)
        }
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(list) => {
            let values: Result<_, String> = list.iter().map(|v| plain(v.get_ref())).collect();
            Value::Array(values?)
        }
        DeValue::Table(table) => Value::Table(plain_table(table)?),
    })
}

fn plain_table(table: &DeTable<'_>) -> Result<Table, String> {
    let pair = |(key, value): (
        &toml::Spanned<std::borrow::Cow<'_, str>>,
        &toml::Spanned<DeValue<'_>>,
    )| { Ok((key.get_ref().to_string(), plain(value.get_ref())?)) };
    table.iter().map(pair).collect()
}

/// A value in the one form `edit` has for it.
fn fit(key: &Key, value: Value) -> Result<Value, String> {
    let expected = |what: &str| {
        Err(format!(
            "write {what}, such as {} = {}",
            key.name, key.example
        ))
    };
    match (key.form, value) {
        (Form::Texts | Form::Schedules, Value::String(text)) => {
            Ok(Value::Array(vec![Value::String(text)]))
        }
        (Form::Schedules, value @ Value::Table(_)) => fit(key, Value::Array(vec![value])),
        (Form::Schedules, Value::Array(list)) => list
            .into_iter()
            .map(schedule)
            .collect::<Result<_, _>>()
            .map(Value::Array),
        (Form::Texts, Value::Array(list)) if list.iter().all(Value::is_str) => {
            Ok(Value::Array(list))
        }
        (Form::Texts, _) => expected("a text or a list of texts"),
        (Form::Command, Value::Array(list)) => match list.iter().all(is_raw) {
            true => Ok(Value::Array(list)),
            false => Err("each argument is a text in quotes".to_owned()),
        },
        (Form::Raw | Form::Command, value) if !is_raw(&value) => expected("a text in quotes"),
        (Form::Variables, Value::Table(table)) => match table.iter().find(|(_, v)| !is_raw(v)) {
            Some((name, _)) => Err(format!("write the value of {name} as a text in quotes")),
            None => Ok(Value::Table(table)),
        },
        (Form::Text | Form::Word(_) | Form::Length | Form::Limit | Form::Instant, value)
            if !value.is_str() =>
        {
            expected("a text in quotes")
        }
        (Form::Instant, Value::String(text)) if !is_date(&text) => Err(format!(
            "write a date: \"{text}\" means another instant each time the file is applied"
        )),
        (Form::Number(least, most), value) => match value.as_integer() {
            Some(n) if (least..=most).contains(&n) => Ok(value),
            _ if most < i64::from(u32::MAX) => Err(format!("write {least} to {most}")),
            _ => expected("a number"),
        },
        (Form::Bytes, Value::String(text)) => {
            let bytes = bytes(&text)?;
            Ok(Value::Integer(i64::try_from(bytes).unwrap_or(i64::MAX)))
        }
        (Form::Bytes, value) if !value.is_integer() => expected("bytes"),
        (Form::Flag, value) if !value.is_bool() => Err("write true or false".to_owned()),
        (Form::Retry, value) if !value.is_integer() && !value.is_table() => {
            expected("a number or a table")
        }
        (Form::Retry, Value::Integer(..0)) => Err("write 0 or more".to_owned()),
        (Form::Keep | Form::Variables, value) if !value.is_table() => expected("a table"),
        (Form::Word(words), Value::String(word)) if !words.contains(&word.as_str()) => {
            Err(format!("\"{word}\" is none of {}", words.join(", ")))
        }
        (_, value) => Ok(value),
    }
}

/// A text, or bytes that are none.
fn is_raw(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Table(table) => table.len() == 1 && table.get("b64").is_some_and(Value::is_str),
        _ => false,
    }
}

/// A relative instant such as `tomorrow` would move with each reading.
fn is_date(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits == 4 && text.as_bytes().get(4) == Some(&b'-')
}

/// One schedule, whose table holds only what is known.
fn schedule(value: Value) -> Result<Value, String> {
    match value {
        Value::String(_) => Ok(value),
        Value::Table(table) => {
            if !table.get("expr").is_some_and(Value::is_str) {
                return Err("the table of a schedule has an expr = \"...\"".to_owned());
            }
            let unknown = table
                .keys()
                .find(|k| *k != "expr" && !OF_SCHEDULES.contains(&k.as_str()));
            if let Some(key) = unknown {
                return Err(format!(
                    "unknown key \"{key}\" in a schedule: it has expr, {}",
                    OF_SCHEDULES.join(", ")
                ));
            }
            Ok(Value::Table(table))
        }
        _ => Err("write a text or a table with expr".to_owned()),
    }
}

fn put_retry(table: &mut Table, retry: &Table) -> Result<(), String> {
    known(retry, &["max", "delay", "backoff", "max_delay"])?;
    let max = retry.get("max").and_then(Value::as_integer);
    let max = max.filter(|n| u32::try_from(*n).is_ok());
    let Some(max) = max else {
        return Err("write how many attempts after the first: max = 3".to_owned());
    };
    table.insert("retry".to_owned(), Value::Integer(max));
    let growing = match retry.get("backoff") {
        None => None,
        Some(Value::Integer(1)) => Some(false),
        Some(Value::Integer(2)) => Some(true),
        Some(Value::Float(by)) if *by == 1.0 => Some(false),
        Some(Value::Float(by)) if *by == 2.0 => Some(true),
        Some(_) => return Err("backoff is 1 (always the same wait) or 2 (doubling)".to_owned()),
    };
    let length = |key: &str| match retry.get(key) {
        None => Ok(None),
        Some(value) => {
            let text = value.as_str().unwrap_or_default();
            parse_duration(text)
                .map(Some)
                .map_err(|e| format!("{key}: {e}"))
        }
    };
    let (delay, longest) = (length("delay")?, length("max_delay")?);
    if delay.is_none() && longest.is_none() && growing.is_none() {
        return Ok(());
    }
    let base = Backoff::default();
    let first = delay.unwrap_or(base.first_ms);
    // A longest wait says that waits grow.
    let text = match growing.unwrap_or(longest.is_some()) {
        false => format_duration(first),
        true => format!(
            "exp:{}..{}",
            format_duration(first),
            format_duration(longest.unwrap_or(base.longest_ms))
        ),
    };
    table.insert("backoff".to_owned(), Value::String(text));
    Ok(())
}

fn put_keep(table: &mut Table, keep: &Table) -> Result<(), String> {
    known(keep, &["runs", "for", "days", "output", "log"])?;
    for (key, value) in keep {
        let (name, value) = match key.as_str() {
            "runs" => ("keep_runs", value.clone()),
            "days" => match value.as_integer() {
                Some(days @ 1..) => ("keep_for", Value::String(format!("{days}d"))),
                _ => return Err("days: write 1 or more".to_owned()),
            },
            "for" => ("keep_for", value.clone()),
            _ => ("keep_output", value.clone()),
        };
        let Some(of) = find(name) else { continue };
        let fits = fit(of, value).map_err(|text| format!("{key}: {text}"))?;
        if table.insert(name.to_owned(), fits).is_some() {
            return Err(format!("{name} is said twice"));
        }
    }
    Ok(())
}

fn known(table: &Table, keys: &[&str]) -> Result<(), String> {
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown key \"{key}\": it has {}", keys.join(", "))),
        None => Ok(()),
    }
}
