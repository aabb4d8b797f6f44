//! Hazards of a table that this host decides: programs, systemd, packages, mail, its clock.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cli::cutover_file::package_of;
use crate::cli::import_source::{self, Found};
use crate::crontab::{
    Dialect, Entry, Line, LineKind, Table, Warning, fixed_time_within, leaves_it_to_systemd,
    parts_directory, programs, split_command,
};
use crate::schedule::{UnixMs, Zone};

/// The host as a table meets it.
pub struct Host<'a> {
    /// What stands for `/`.
    pub root: &'a Path,
    /// The zone the table is read in.
    pub zone: &'a Zone,
    /// From when on its clock is looked at.
    pub from: UnixMs,
}

/// How far ahead changes of the clock are looked for: each comes at least once.
const AHEAD_MS: i64 = 400 * 86_400_000;
const MINUTE_MS: i64 = 60_000;
/// Scripts of a directory that are named.
const NAMED: usize = 8;

/// Lists the hazards: W13 program not found, W14 left to systemd, W16 file of a package, W17 nobody
/// to send mail, W18 a change of the clock hits the time; and what run-parts runs.
pub fn hazards(host: &Host<'_>, found: &Found, table: &Table) -> Vec<Warning> {
    let mut all = Vec::new();
    let path = Path::new(&found.label);
    if let Some(package) = package_of(host.root, path) {
        let text = format!("the file belongs to the package {package}, which may replace it");
        all.push(warning("W16", 1, text));
    }
    all.extend(unsent(host, table));
    let systemd = host.root.join("run/systemd/system").is_dir();
    for (line, entry) in table.entries() {
        let command = split_command(&entry.raw_command, table.dialect).command;
        let command = String::from_utf8_lossy(&command);
        if systemd && leaves_it_to_systemd(&command) {
            let text = "does nothing here: on a host run by systemd a timer does it instead";
            all.push(warning("W14", line.number, text.to_owned()));
        }
        if let Some(dir) = parts_directory(&command) {
            all.push(warning("parts", line.number, scripts(host.root, &dir)));
        }
        all.extend(not_found(host, found, table, (line, entry), &command));
        let zone = own_zone(table, line);
        let zone = zone.as_ref().unwrap_or(host.zone);
        all.extend(
            clock_change(host.from, zone, entry).map(|text| warning("W18", line.number, text)),
        );
    }
    all
}

fn warning(id: &'static str, line: usize, text: String) -> Warning {
    Warning { id, line, text }
}

/// W17: somebody is to get mail, and nobody can send it.
fn unsent<'a>(host: &Host<'_>, table: &'a Table) -> impl Iterator<Item = Warning> + use<'a> {
    let sends = ["usr/sbin/sendmail", "usr/lib/sendmail"];
    let none = !sends.iter().any(|place| host.root.join(place).exists());
    table
        .lines
        .iter()
        .filter(move |_| none)
        .filter_map(|line| match &line.kind {
            LineKind::Env { name, value, .. } if name == b"MAILTO" && !value.is_empty() => {
                let text = "there is no sendmail on this host, so cron throws the mail away";
                Some(warning("W17", line.number, text.to_owned()))
            }
            _ => None,
        })
}

/// W13: the first program of a command that is not where it is looked for.
fn not_found(
    host: &Host<'_>,
    found: &Found,
    table: &Table,
    (line, entry): (&Line, &Entry),
    command: &str,
) -> Option<Warning> {
    let settings = table.environment_of(line);
    let set = |wanted: &str| {
        let named = settings.iter().rfind(|(name, _)| name == wanted.as_bytes());
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    let path = set("PATH").unwrap_or_else(|| usual_path(table.dialect).to_owned());
    let user = entry.user.as_deref().map(String::from_utf8_lossy);
    let user = user.unwrap_or(found.owner.as_str().into());
    let home = set("HOME").or_else(|| home_of(host.root, &user));
    let inside = |place: &Path| host.root.join(place.strip_prefix("/").unwrap_or(place));
    let missing = programs(command).into_iter().find(|program| {
        let places: Vec<PathBuf> = match (program.starts_with('/'), program.contains('/')) {
            (true, _) => vec![inside(Path::new(program))],
            (_, true) => match &home {
                Some(home) => vec![inside(&Path::new(home).join(program))],
                None => return false,
            },
            _ => path
                .split(':')
                .map(|dir| inside(&Path::new(dir).join(program)))
                .collect(),
        };
        !places.iter().any(|place| may_be_there(place))
    })?;
    let text = match (missing.starts_with('/'), missing.contains('/')) {
        (true, _) => format!("there is no program {missing}"),
        (_, true) => format!("there is no program {missing} in the home of the job"),
        _ => format!("no program {missing} in the job's PATH ({path})"),
    };
    Some(warning("W13", line.number, text))
}

/// The PATH that jobs get where the table sets none; measured.
fn usual_path(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Debian => "/usr/bin:/bin",
        Dialect::Cronie => "/usr/bin:/bin:/usr/sbin:/sbin",
    }
}

/// What may not be looked at may be there.
fn may_be_there(place: &Path) -> bool {
    match std::fs::metadata(place) {
        Ok(found) => found.is_file() && found.permissions().mode() & 0o111 != 0,
        Err(e) => e.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

fn home_of(root: &Path, user: &str) -> Option<String> {
    let table = std::fs::read_to_string(root.join("etc/passwd")).ok()?;
    let line = table
        .lines()
        .find(|line| line.split(':').next() == Some(user))?;
    line.split(':').nth(5).map(str::to_owned)
}

/// The scripts run-parts runs, in its order: that of their names by bytes, one after the other.
fn scripts(root: &Path, dir: &str) -> String {
    let inside = root.join(dir.trim_start_matches('/'));
    let mut names: Vec<String> = std::fs::read_dir(inside)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| import_source::is_part(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    if names.is_empty() {
        return format!("no script of {dir} would run today");
    }
    let more = match names.len() {
        count if count > NAMED => format!(" and {} more", count - NAMED),
        _ => String::new(),
    };
    names.truncate(NAMED);
    let names = names.join(", ");
    format!("one job runs the scripts of {dir} one after the other, as cron does: {names}{more}")
}

/// The zone a table of cronie names for the entries below.
fn own_zone(table: &Table, line: &Line) -> Option<Zone> {
    let settings = table.environment_of(line);
    let named = settings.iter().rfind(|(name, _)| name == b"CRON_TZ");
    let (_, zone) = named.filter(|_| table.dialect == Dialect::Cronie)?;
    Zone::named(std::str::from_utf8(zone).ok()?).ok()
}

/// W18: the next change of the zone's clock that skips or repeats a fixed time.
fn clock_change(from: UnixMs, zone: &Zone, entry: &Entry) -> Option<String> {
    if entry.reboot || !entry.random.is_empty() {
        return None;
    }
    let (mut skipped, mut repeated) = (None, None);
    let mut at = from;
    while let Some(change) = zone.next_transition(at) {
        if change.at > from + AHEAD_MS {
            break;
        }
        at = change.at;
        let (before, after) = (change.before_seconds, change.after_seconds);
        let local = (change.at / 1_000 + i64::from(before.min(after))).div_euclid(60);
        let minutes = i64::from((after - before).abs()) / 60;
        if let Some(minute) = fixed_time_within(&entry.sets, local, minutes) {
            let place = if after > before {
                &mut skipped
            } else {
                &mut repeated
            };
            place.get_or_insert(minute);
        }
    }
    let told = |minute: i64| {
        let civil = Zone::utc().to_local(minute * MINUTE_MS);
        let (year, month, day) = (civil.year, civil.month, civil.day);
        format!(
            "{:02}:{:02} on {year}-{month:02}-{day:02}",
            civil.hour, civil.minute
        )
    };
    let parts = [
        skipped.map(|m| format!("{} does not come: it runs once, right after", told(m))),
        repeated.map(|m| format!("{} comes twice: it runs the first time only", told(m))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
