//! Jobs as systemd timers and services.

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::export::{Exported, beyond_cron};
use crate::cli::import_said::said;
use crate::cli::read_schedule;
use crate::model::Command;
use crate::schedule::{Fields, Schedule};
use crate::store::JobRow;

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// A timer and a service for each job.
pub fn units(ctx: &Context, rows: &[JobRow], lossy: bool) -> Exported {
    let mut exported = Exported::default();
    for row in rows {
        let name = &row.job.name;
        let mut lost = beyond_cron(row);
        match unit(ctx, row, &mut lost) {
            Ok((timer, service)) if lost.is_empty() || lossy => {
                exported
                    .lost
                    .extend(lost.into_iter().map(|what| (name.clone(), what)));
                exported
                    .files
                    .push((format!("{name}.timer"), timer.into_bytes()));
                exported
                    .files
                    .push((format!("{name}.service"), service.into_bytes()));
            }
            Ok(_) => exported.refused.push((name.clone(), lost.join(", "))),
            Err(why) => exported.refused.push((name.clone(), why)),
        }
    }
    exported
}

fn unit(ctx: &Context, row: &JobRow, lost: &mut Vec<String>) -> Result<(String, String), String> {
    let draft = Draft::of(row);
    let mut lines = Vec::new();
    for new in &draft.schedules {
        let schedule = read_schedule::read(ctx, new).map_err(|error| error.message)?;
        lines.extend(when(&schedule, new.zone.as_deref(), lost)?);
    }
    if lines.is_empty() {
        return Err("it has no schedule".to_owned());
    }
    let name = &row.job.name;
    let about = row
        .job
        .spec
        .description
        .clone()
        .unwrap_or_else(|| name.clone());
    let about = about.replace('\n', " ").replace('%', "%%");
    let timer = format!(
        "[Unit]\nDescription={about}\n\n[Timer]\n{}\nAccuracySec=1us\nPersistent=false\n\n\
         [Install]\nWantedBy=timers.target\n",
        lines.join("\n")
    );
    Ok((timer, service(&draft, &about)?))
}

fn service(draft: &Draft, about: &str) -> Result<String, String> {
    let now = said(draft);
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .map_err(|_| "it holds bytes that are not UTF-8".to_owned())
    };
    let mut lines = vec![
        format!("[Unit]\nDescription={about}\n\n[Service]\nType=exec\nKillMode=process"),
        "WorkingDirectory=~".to_owned(),
    ];
    if let Some(user) = &now.user {
        lines.push(format!("User={user}"));
    }
    for (name, value) in &now.env {
        let pair = format!("{name}={}", text(&value.0)?);
        lines.push(format!("Environment={}", quoted(&pair, false)));
    }
    if let Some(input) = &now.stdin {
        use base64::Engine;
        let encoded = base64::engine::general_purpose::STANDARD.encode(&input.0);
        lines.push(format!("StandardInput=data\nStandardInputData={encoded}"));
    }
    let words: Vec<String> = match &draft.spec.command {
        Command::Line(line) => {
            let shell = now.shell.clone().unwrap_or_else(|| "/bin/sh".to_owned());
            vec![shell, "-c".to_owned(), text(&line.0)?]
        }
        Command::Argv(argv) => argv
            .iter()
            .map(|word| text(&word.0))
            .collect::<Result<_, _>>()?,
    };
    let words: Vec<String> = words.iter().map(|word| quoted(word, true)).collect();
    lines.push(format!("ExecStart={}", words.join(" ")));
    Ok(lines.join("\n") + "\n")
}

/// A word as systemd.syntax(7) has it; `$` is doubled only where a command line is read.
fn quoted(text: &str, command: bool) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' => out.push_str("%%"),
            '$' if command => out.push_str("$$"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The lines that say when; read back, they are the same sets.
fn when(
    schedule: &Schedule,
    zone: Option<&str>,
    lost: &mut Vec<String>,
) -> Result<Vec<String>, String> {
    if schedule.is_reboot() {
        return Ok(vec!["OnBootSec=0".to_owned()]);
    }
    let Some(fields) = schedule
        .fields()
        .filter(|f| f.specials.is_none() && f.years.is_none())
    else {
        return Err(format!("no OnCalendar can say `{}`", schedule.text()));
    };
    if fields.minute.count_ones() < 60 || fields.hour.count_ones() < 24 {
        lost.push("what cron does when the clock changes".to_owned());
    }
    let calendars = calendars(fields, zone);
    let or = !fields.both_days && !fields.dom_star && !fields.dow_star;
    let same = match (or, calendars.as_slice()) {
        (false, [one]) => sets_of(one) == Some((fields.dom, fields.dow)),
        (true, [dom, dow]) => {
            sets_of(dom).map(|s| s.0) == Some(fields.dom)
                && sets_of(dow).map(|s| s.1) == Some(fields.dow)
        }
        (true, [_]) => true,
        _ => false,
    };
    if !same {
        return Err(format!("no OnCalendar can say `{}`", schedule.text()));
    }
    Ok(calendars
        .iter()
        .map(|c| format!("OnCalendar={c}"))
        .collect())
}

fn calendars(fields: &Fields, zone: Option<&str>) -> Vec<String> {
    const ALL_DOM: u32 = !1;
    const ALL_DOW: u8 = 0x7f;
    let zone = zone.map_or(String::new(), |zone| format!(" {zone}"));
    let time = format!(
        "{}:{}:{}",
        list(u64::from(fields.hour), 24, 0),
        list(fields.minute, 60, 0),
        list(fields.second, 60, 61)
    );
    let months = list(u64::from(fields.month), 13, 1);
    let one = |dom: u32, dow: u8| {
        let days: Vec<&str> = (0..7usize)
            .filter(|day| dow & 0x7f != ALL_DOW && dow >> day & 1 == 1)
            .filter_map(|day| DAYS.get(day).copied())
            .collect();
        let days = if days.is_empty() {
            String::new()
        } else {
            format!("{} ", days.join(","))
        };
        format!(
            "{days}*-{months}-{} {time}{zone}",
            list(u64::from(dom), 32, 1)
        )
    };
    let either = !fields.both_days && !fields.dom_star && !fields.dow_star;
    let dow_all = fields.dow & 0x7f == ALL_DOW;
    match either {
        false => vec![one(fields.dom, fields.dow)],
        true if dow_all || fields.dom & ALL_DOM == ALL_DOM => vec![one(ALL_DOM, ALL_DOW)],
        true if fields.dom == 0 => vec![one(ALL_DOM, fields.dow)],
        true if fields.dow == 0 => vec![one(fields.dom, ALL_DOW)],
        true => vec![one(fields.dom, ALL_DOW), one(ALL_DOM, fields.dow)],
    }
}

/// The values of a set; `*` where all of those from `low` below `end` are in it.
fn list(bits: u64, end: u32, low: u32) -> String {
    if low < end && (low..end).all(|n| bits >> n & 1 == 1) {
        return "*".to_owned();
    }
    let values: Vec<String> = (0..end.min(64))
        .filter(|n| bits >> n & 1 == 1)
        .map(|n| format!("{n:02}"))
        .collect();
    values.join(",")
}

/// Days of the month and weekdays as a calendar expression of ours says them.
fn sets_of(calendar: &str) -> Option<(u32, u8)> {
    let first = calendar.split(' ').next()?;
    let (days, rest) = match first.contains('-') {
        true => (None, calendar),
        false => (Some(first), calendar.split_once(' ')?.1),
    };
    let mut dow = if days.is_some() { 0 } else { 0x7f };
    for day in days
        .unwrap_or_default()
        .split(',')
        .filter(|d| !d.is_empty())
    {
        dow |= 1 << DAYS.iter().position(|known| *known == day)?;
    }
    let dom = rest.split(' ').next()?.rsplit('-').next()?;
    if dom == "*" {
        return Some((!1, dow));
    }
    let mut bits = 0;
    for day in dom.split(',') {
        bits |= 1u32 << day.parse::<u32>().ok()?;
    }
    Some((bits, dow))
}
