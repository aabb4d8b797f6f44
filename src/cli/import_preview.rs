//! The same entry by two ways: the main loop of its cron, and our search.

use std::collections::HashMap;

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::read_schedule;
use crate::crontab::{CronClock, Dialect, FieldSets, Format, Table, cron_fires};
use crate::schedule::{Schedule, UnixMs, Zone};
use crate::store::NewSchedule;

/// How many fires are listed of each entry.
const LISTED: usize = 10;

const DAY_MINUTES: i64 = 1_440;
const DAY_MS: i64 = 86_400_000;

/// When an entry fires, by its cron and by us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Our next fires.
    pub next: Vec<UnixMs>,
    /// The next by the main loop of its cron, in the days compared.
    pub by_cron: Option<UnixMs>,
    /// Days compared; 0 where none were.
    pub days: i64,
    /// The first instant at which only one of the two fires.
    pub differs: Option<UnixMs>,
}

impl Preview {
    /// Whether both fire at the same instants; none where they were not compared.
    pub fn equal(&self) -> Option<bool> {
        (self.days > 0).then_some(self.differs.is_none())
    }
}

/// Makes previews; the same schedule is compared once.
pub struct Previews<'a> {
    ctx: &'a Context,
    from: UnixMs,
    days: i64,
    seen: HashMap<String, Preview>,
}

impl<'a> Previews<'a> {
    /// Previews of the time after `from`, compared over so many days.
    pub fn new(ctx: &'a Context, from: UnixMs, days: i64) -> Previews<'a> {
        Previews {
            ctx,
            from,
            days,
            seen: HashMap::new(),
        }
    }

    /// The preview of an entry with these bit sets that makes this job; the sets of one with drawn
    /// values are read from what was drawn.
    pub fn of(&mut self, dialect: Dialect, sets: Option<&FieldSets>, draft: &Draft) -> Preview {
        let Some(new) = draft.schedules.first() else {
            return Preview::default();
        };
        let key = format!("{dialect} {:?} {sets:?} {} {}", new.zone, new.dst, new.expr);
        if let Some(known) = self.seen.get(&key) {
            return known.clone();
        }
        let preview = self.made(dialect, sets, new);
        self.seen.insert(key, preview.clone());
        preview
    }

    /// The fires of a schedule that no cron's main loop can be asked for.
    pub fn listed(&self, schedule: &Schedule) -> Preview {
        Preview {
            next: schedule.upcoming(self.from).take(LISTED).collect(),
            ..Preview::default()
        }
    }

    fn made(&self, dialect: Dialect, sets: Option<&FieldSets>, new: &NewSchedule) -> Preview {
        let Ok(schedule) = read_schedule::read(self.ctx, new) else {
            return Preview::default();
        };
        let mut preview = Preview {
            next: schedule.upcoming(self.from).take(LISTED).collect(),
            ..Preview::default()
        };
        let sets = sets.copied().or_else(|| sets_of(&new.expr, dialect));
        let (Some(sets), false) = (sets, schedule.is_reboot() || self.days == 0) else {
            return preview;
        };
        let clock = match new.dst.as_str() {
            "both" => CronClock::Shown,
            _ => CronClock::Loop(dialect),
        };
        let zone: &Zone = schedule.zone();
        let theirs = cron_fires(&sets, zone, clock, self.from, self.days * DAY_MINUTES);
        let until = self.from + self.days * DAY_MS;
        let mut ours = schedule.upcoming(self.from).take_while(|at| *at <= until);
        preview.days = self.days;
        preview.by_cron = theirs.first().copied();
        preview.differs = first_difference(&mut theirs.into_iter(), &mut ours);
        preview
    }
}

fn first_difference(
    theirs: &mut dyn Iterator<Item = UnixMs>,
    ours: &mut dyn Iterator<Item = UnixMs>,
) -> Option<UnixMs> {
    loop {
        match (theirs.next(), ours.next()) {
            (None, None) => return None,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return Some(a.min(b)),
            (Some(at), None) | (None, Some(at)) => return Some(at),
        }
    }
}

/// The bit sets a cron reads in an expression.
fn sets_of(expr: &str, dialect: Dialect) -> Option<FieldSets> {
    let table = Table::parse(format!("{expr} x\n").as_bytes(), dialect, Format::User);
    table.entries().next().map(|(_, entry)| entry.sets)
}
