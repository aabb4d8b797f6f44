//! One entry line: schedule, user column, options and command, read as `load_entry` reads them.

use crate::crontab::cursor::{Cursor, is_blank};
use crate::crontab::dialect::{Format, Rules};
use crate::crontab::effective::effective_text;
use crate::crontab::field::{Field, FieldSets, all_bits};
use crate::crontab::list::{List, Shape, read_list};
use crate::crontab::problem::{Problem, Reason};

/// An entry as the dialect reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it fires; all empty for `@reboot`.
    pub sets: FieldSets,
    /// Runs once when the machine starts, and at no time of day.
    pub reboot: bool,
    /// The word after `@`, if the schedule is one.
    pub nickname: Option<String>,
    /// The schedule as written, from the first field to the last.
    pub schedule_text: String,
    /// The schedule in strict grammar with the same meaning: what the dialect drops is gone
    /// (`fri#2` is `fri`). `None` when no text says it: a set is empty, or a value is random.
    pub effective: Option<String>,
    /// Fields in which cronie draws a value (`~`) when it loads the table; the sets then hold all
    /// the values it may draw.
    pub random: Vec<Field>,
    /// The user column of a system table.
    pub user: Option<Vec<u8>>,
    /// What follows schedule, user and options, before the `%` rule.
    pub raw_command: Vec<u8>,
    /// The leading `-` of cronie: the run is not logged.
    pub no_log: bool,
    /// The option `-n` of cronie: mail only if the job fails.
    pub mail_on_failure_only: bool,
    /// How many settings of the table stand above this entry.
    pub settings_above: usize,
}

/// An entry, and where a NUL cut its command off.
pub(crate) struct ReadEntry {
    pub entry: Entry,
    /// Length of the line with the NUL; what follows is read as a line of its own.
    pub cut: Option<usize>,
}

struct Schedule {
    sets: FieldSets,
    nickname: Option<String>,
    effective: Option<String>,
    random: Vec<Field>,
}

/// Reads the entry that starts at `start` in `line` (no line feed, first byte not blank).
pub(crate) fn read_entry(
    line: &[u8],
    start: usize,
    format: Format,
    rules: &Rules,
) -> Result<ReadEntry, Problem> {
    let mut cursor = Cursor::new(line, start);
    let no_log = read_no_log(&mut cursor, format, rules)?;
    let schedule_start = cursor.position();
    let schedule = if cursor.peek() == b'@' {
        read_nickname(&mut cursor, rules)?
    } else {
        read_fields(&mut cursor, rules)?
    };
    let written = cursor.since(schedule_start);
    let blanks = written
        .iter()
        .rev()
        .take_while(|&&byte| is_blank(byte))
        .count();
    let written = written.get(..written.len() - blanks).unwrap_or(written);
    let schedule_text = String::from_utf8_lossy(written).into_owned();
    check_command_start(&cursor, format, rules)?;
    let user = match format.has_user_column() {
        true => Some(read_user(&mut cursor, rules)?),
        false => None,
    };
    let mail_on_failure_only = rules.options && read_options(&mut cursor)?;
    let command_start = cursor.position();
    let command = cursor.rest();
    if command.len() > rules.command_limit && rules.long_command_is_error {
        let reason = Reason::CommandTooLong {
            limit: rules.command_limit,
            found: command.len(),
        };
        return Err(Problem::new(reason, None, command_start));
    }
    let raw_command = command
        .get(..rules.command_limit)
        .unwrap_or(command)
        .to_vec();
    let cut = (cursor.peek() == 0).then_some(cursor.position() + 1);
    let entry = Entry {
        reboot: schedule.nickname.as_deref() == Some("reboot"),
        sets: schedule.sets,
        nickname: schedule.nickname,
        schedule_text,
        effective: schedule.effective,
        random: schedule.random,
        user,
        raw_command,
        no_log,
        mail_on_failure_only,
        settings_above: 0,
    };
    Ok(ReadEntry { entry, cut })
}

fn read_no_log(cursor: &mut Cursor<'_>, format: Format, rules: &Rules) -> Result<bool, Problem> {
    if !rules.options || cursor.peek() != b'-' {
        return Ok(false);
    }
    if !format.may_disable_log() {
        return Err(Problem::new(
            Reason::MinusNotAllowed,
            None,
            cursor.position(),
        ));
    }
    cursor.bump();
    Ok(true)
}

fn read_fields(cursor: &mut Cursor<'_>, rules: &Rules) -> Result<Schedule, Problem> {
    let mut sets = FieldSets::default();
    let mut random = Vec::new();
    let mut lists: Vec<List<'_>> = Vec::with_capacity(Field::ALL.len());
    for field in Field::ALL {
        let list = read_list(cursor, field, rules)
            .map_err(|fault| Problem::new(Reason::Field(fault.kind), Some(field), fault.at))?;
        sets.put(field, list.bits());
        if list.star {
            sets.mark_star(field);
        }
        if list.items.iter().any(|item| item.shape == Shape::Random) {
            random.push(field);
        }
        lists.push(list);
    }
    let effective = effective_text(&lists, &sets);
    Ok(Schedule {
        sets,
        nickname: None,
        effective,
        random,
    })
}

fn read_nickname(cursor: &mut Cursor<'_>, rules: &Rules) -> Result<Schedule, Problem> {
    let at = cursor.position();
    cursor.bump();
    let word = String::from_utf8_lossy(cursor.word()).into_owned();
    let Some(sets) = nickname_sets(&word) else {
        return Err(Problem::new(Reason::Nickname(word), None, at));
    };
    cursor.skip_blanks();
    if cursor.peek() == b'\n' && !rules.empty_command {
        return Err(Problem::new(Reason::NoCommand, None, cursor.position()));
    }
    let effective = Some(format!("@{word}"));
    Ok(Schedule {
        sets,
        nickname: Some(word),
        effective,
        random: Vec::new(),
    })
}

/// The sets of the nicknames, with the star flags the originals give them: only `@hourly` counts
/// as a wildcard job when the clock changes.
fn nickname_sets(word: &str) -> Option<FieldSets> {
    let midnight = FieldSets {
        minute: 1,
        hour: 1,
        dom: all_bits(Field::DayOfMonth) as u32,
        month: all_bits(Field::Month) as u32,
        dow: all_bits(Field::DayOfWeek) as u8,
        ..FieldSets::default()
    };
    Some(match word {
        "reboot" => FieldSets::default(),
        "yearly" | "annually" => FieldSets {
            dom: 0b10,
            month: 0b10,
            dow_star: true,
            ..midnight
        },
        "monthly" => FieldSets {
            dom: 0b10,
            dow_star: true,
            ..midnight
        },
        "weekly" => FieldSets {
            dow: 0x81,
            dom_star: true,
            ..midnight
        },
        "daily" | "midnight" => midnight,
        "hourly" => FieldSets {
            hour: all_bits(Field::Hour) as u32,
            hour_star: true,
            ..midnight
        },
        _ => return None,
    })
}

/// Refuses a missing command where the dialect does, and a sixth star, which is a common slip.
fn check_command_start(cursor: &Cursor<'_>, format: Format, rules: &Rules) -> Result<(), Problem> {
    let star_is_error = rules.star_user_is_error || !format.has_user_column();
    match cursor.peek() {
        b'\n' if !rules.empty_command => {
            Err(Problem::new(Reason::NoCommand, None, cursor.position()))
        }
        b'*' if star_is_error => Err(Problem::new(Reason::SixthStar, None, cursor.position())),
        _ => Ok(()),
    }
}

fn read_user(cursor: &mut Cursor<'_>, rules: &Rules) -> Result<Vec<u8>, Problem> {
    let user = cursor.word();
    // With no blank behind the name there is no command: both crons report just that.
    if cursor.peek() == b'\n' {
        return Err(Problem::new(Reason::NoCommand, None, cursor.position()));
    }
    if rules.keeps_blanks_after_user {
        // The one byte that ended the name is gone, whatever else follows belongs to the command.
        cursor.bump();
    } else {
        cursor.skip_blanks();
        if cursor.peek() == b'\n' {
            return Err(Problem::new(Reason::NoCommand, None, cursor.position()));
        }
    }
    Ok(user.to_vec())
}

/// Reads cronie's `-n`; true if it was there.
fn read_options(cursor: &mut Cursor<'_>) -> Result<bool, Problem> {
    let mut mail_on_failure_only = false;
    while cursor.peek() == b'-' {
        let at = cursor.position();
        cursor.bump();
        let known = cursor.peek() == b'n' && !mail_on_failure_only;
        cursor.bump();
        if !known || !is_blank(cursor.peek()) {
            return Err(Problem::new(Reason::Option, None, at));
        }
        mail_on_failure_only = true;
        cursor.skip_blanks();
        if cursor.peek() == b'\n' {
            return Err(Problem::new(Reason::NoCommand, None, cursor.position()));
        }
    }
    Ok(mail_on_failure_only)
}
