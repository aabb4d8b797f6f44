//! A week of fires as a grid: how many fall into each hour of each day.

use std::io::{self, Write};

use crate::schedule::{Civil, Transition, UnixMs, Zone};
use crate::view::time::weekday;

/// Days of a grid.
pub const DAYS: usize = 7;

/// Fires an hour above which a schedule is named under the grid instead of being counted in it.
pub const FREQUENT: u32 = 2;

/// Fires in each hour, as the clock of a zone shows it, of seven days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// By day and hour.
    pub hours: [[u32; 24]; DAYS],
    /// Most fires in any one hour that passes.
    pub most: u32,
}

impl Grid {
    /// Counts fires, given in order, up to the end of the week that begins with the day of `from`.
    pub fn of(fires: impl Iterator<Item = UnixMs>, from: UnixMs, zone: &Zone) -> Grid {
        let mut grid = Grid::default();
        let first = day(zone.to_local(from));
        let (mut hour, mut in_hour) = (i64::MIN, 0);
        for at in fires {
            let civil = zone.to_local(at);
            // A clock set back over midnight may show the day before once more.
            let index = usize::try_from(day(civil) - first).unwrap_or(0);
            let Some(hours) = grid.hours.get_mut(index) else {
                break;
            };
            hours[civil.hour as usize % 24] += 1;
            // Counted in time that passes: an hour the clock shows twice is two.
            in_hour = match at.div_euclid(3_600_000) {
                same if same == hour => in_hour + 1,
                _ => 1,
            };
            hour = at.div_euclid(3_600_000);
            grid.most = grid.most.max(in_hour);
        }
        grid
    }

    /// Whether it would bury the others.
    pub fn is_frequent(&self) -> bool {
        self.most > FREQUENT
    }

    /// Adds the fires of another.
    pub fn add(&mut self, other: &Grid) {
        for (mine, theirs) in self.hours.iter_mut().zip(&other.hours) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
    }

    /// Writes it, a line for each day from that of `from` on.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, out: &mut dyn Write, from: UnixMs, zone: &Zone) -> io::Result<()> {
        let most = self.hours.iter().flatten().max().copied().unwrap_or(0);
        let width = most.to_string().len().max(2) + 1;
        let hours: String = (0..24)
            .map(|hour| format!("{:>width$}", format!("{hour:02}")))
            .collect();
        writeln!(out, "{:6}{hours}", "")?;
        for (date, hours) in dates(from, zone).iter().zip(&self.hours) {
            let cells = hours.iter().map(|count| match count {
                0 => format!("{:>width$}", "."),
                n => format!("{n:>width$}"),
            });
            let cells: String = cells.collect();
            writeln!(out, "{} {:02}{cells}", weekday(*date), date.day)?;
        }
        Ok(())
    }
}

/// The seven days from that of an instant on, at midnight.
pub fn dates(from: UnixMs, zone: &Zone) -> Vec<Civil> {
    let first = day(zone.to_local(from));
    (first..first + DAYS as i64)
        .map(|day| Civil::from_wall(day * 86_400))
        .collect()
}

/// When the clock changes in the week, each in words.
pub fn changes(from: UnixMs, zone: &Zone) -> Vec<String> {
    let last = day(zone.to_local(from)) + DAYS as i64;
    let mut found = Vec::new();
    let mut after = from;
    while let Some(change) = zone.next_transition(after) {
        // The clock as it stood: what it is set to may be the day before.
        let before = change.at / 1000 + i64::from(change.before_seconds);
        if day(Civil::from_wall(before)) >= last {
            break;
        }
        after = change.at;
        if change.before_seconds != change.after_seconds {
            found.push(in_words(&change));
        }
    }
    found
}

/// A change of the clock, such as `Sun 2026-03-08 the clock goes from 02:00 to 03:00`.
fn in_words(change: &Transition) -> String {
    let shown = |offset: i32| Civil::from_wall(change.at / 1000 + i64::from(offset));
    let (before, then) = (shown(change.before_seconds), shown(change.after_seconds));
    format!(
        "{} {:04}-{:02}-{:02} the clock goes from {:02}:{:02} to {:02}:{:02}",
        weekday(before),
        before.year,
        before.month,
        before.day,
        before.hour,
        before.minute,
        then.hour,
        then.minute
    )
}

fn day(civil: Civil) -> i64 {
    civil.to_wall().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{ParseOptions, Schedule};

    #[test]
    fn the_hours_are_those_the_clock_shows() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let options = ParseOptions {
            zone: zone.clone(),
            ..ParseOptions::default()
        };
        let hourly = Schedule::parse("@hourly", &options).unwrap();
        // Sunday 2026-10-25 00:00 +02:00, the day the clock goes back.
        let from = 1_792_879_200_000;
        let grid = Grid::of(hourly.upcoming(from - 1), from, &zone);
        assert_eq!(grid.hours[0][2], 2);
        assert_eq!(grid.hours[0].iter().sum::<u32>(), 25);
        assert_eq!(grid.hours[6], [1; 24]);
        assert_eq!(grid.most, 1);
        let told = ["Sun 2026-10-25 the clock goes from 03:00 to 02:00"];
        assert_eq!(changes(from, &zone), told);
    }

    #[test]
    fn the_grid_is_written_in_columns() {
        let mut grid = Grid::default();
        grid.hours[1][23] = 120;
        let mut out = Vec::new();
        // Thursday.
        grid.write(&mut out, 0, &Zone::utc()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8);
        assert!(lines[0].starts_with("        00  01"), "{text}");
        assert!(lines[1].starts_with("Thu 01   .   ."), "{text}");
        assert!(lines[2].ends_with("   . 120"), "{text}");
        assert!(lines.iter().all(|l| l.len() == lines[0].len()), "{text}");
    }
}
