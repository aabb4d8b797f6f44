//! Time zones, read from the system's tzdata at run time with a bundled copy behind it.
//!
//! This is the only place that names jiff. A zone is read once into a table of offsets; all
//! further questions but abbreviations are answered from that table.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::schedule::UnixMs;
use crate::schedule::civil::{Civil, WallSecond};
use crate::schedule::offsets::{OffsetTable, Segment, TABLE_END};
use crate::schedule::zone_name::{is_plausible, nearest};

pub use crate::schedule::zone_name::ZoneError;

const TZDATA: &str = "/usr/share/zoneinfo";
const LOCALTIME: &str = "/etc/localtime";
const TIMEZONE: &str = "/etc/timezone";

/// A time zone. Cloning it is cheap.
#[derive(Clone)]
pub struct Zone {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    rules: TimeZone,
    table: OffsetTable,
}

/// What the wall clock of a zone shows, as instants. Times are Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The clock shows it once.
    Unambiguous(UnixMs),
    /// The clock never shows it: it jumps over it at `at`, forward by `shift_seconds`.
    Gap { at: UnixMs, shift_seconds: i32 },
    /// The clock shows it twice.
    Fold { first: UnixMs, second: UnixMs },
}

/// A change of the offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The first instant with the new offset, Unix milliseconds.
    pub at: UnixMs,
    /// The offset before, in seconds east of UTC.
    pub before_seconds: i32,
    /// The offset from `at` on, in seconds east of UTC.
    pub after_seconds: i32,
}

/// Tables already made, by canonical name. An entry whose rules differ from those on disk now is
/// replaced, so an update of tzdata is seen by the next `Zone::named`.
static TABLES: LazyLock<RwLock<BTreeMap<String, Zone>>> = LazyLock::new(RwLock::default);

static UTC: LazyLock<Zone> = LazyLock::new(|| Zone::from_rules("UTC", TimeZone::UTC));

impl Zone {
    /// Returns UTC.
    pub fn utc() -> Zone {
        UTC.clone()
    }

    /// Returns the zone of an IANA name such as `Europe/Berlin`, in any case.
    ///
    /// # Errors
    ///
    /// An empty name, a path, and a name found neither in the system's tzdata nor in the bundled
    /// one, with the nearest name there is.
    pub fn named(name: &str) -> Result<Zone, ZoneError> {
        if name.is_empty() {
            return Err(ZoneError::Empty);
        }
        if !is_plausible(name) {
            return Err(ZoneError::Malformed {
                name: name.to_owned(),
            });
        }
        let rules = jiff::tz::db()
            .get(name)
            .or_else(|_| TimeZoneDatabase::bundled().get(name))
            .ok()
            .filter(|rules| !rules.is_unknown())
            .ok_or_else(|| Zone::unknown(name))?;
        let name = rules.iana_name().unwrap_or(name).to_owned();
        Ok(Zone::cached(name, rules))
    }

    /// Returns the zone of the machine, given the value of the variable `TZ` if it is set.
    ///
    /// `TZ` may hold a name, `:name`, the path of a zone file or a POSIX rule such as
    /// `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX.1-2017, 8.3); empty means UTC. Without it the link
    /// `/etc/localtime` names the zone, or its content is the zone.
    ///
    /// # Errors
    ///
    /// A `TZ` that is none of these, or a zone file that cannot be read.
    pub fn system_from(tz_var: Option<&str>) -> Result<Zone, ZoneError> {
        let Some(value) = tz_var else {
            return Zone::from_localtime(Path::new(LOCALTIME));
        };
        let value = value.strip_prefix(':').unwrap_or(value);
        if value.is_empty() {
            return Ok(Zone::utc());
        }
        if value.starts_with('/')
            && let Some(zone) = Zone::of_path(value)
        {
            return Ok(zone);
        }
        if value.starts_with('/') {
            return Zone::from_file(Path::new(value), value);
        }
        Zone::named(value).or_else(|error| match TimeZone::posix(value) {
            Ok(rules) if value.contains(|c: char| c.is_ascii_digit()) => {
                Ok(Zone::from_rules(value, rules))
            }
            _ => Err(error),
        })
    }

    fn from_localtime(path: &Path) -> Result<Zone, ZoneError> {
        if let Ok(link) = std::fs::read_link(path)
            && let Some(zone) = link.to_str().and_then(Zone::of_path)
        {
            return Ok(zone);
        }
        if !path.exists() {
            return Ok(Zone::utc());
        }
        let zone = Zone::from_file(path, "localtime")?;
        // A copied file has no name of its own; Debian writes it beside, maybe an outdated one.
        let named = std::fs::read_to_string(TIMEZONE).ok();
        let named = named.and_then(|name| Zone::named(name.trim()).ok());
        Ok(named
            .filter(|named| named.inner.table == zone.inner.table)
            .unwrap_or(zone))
    }

    /// Returns the zone of a path into a tree of zone files, by the name it has there.
    fn of_path(path: &str) -> Option<Zone> {
        let (_, name) = path.split_once("zoneinfo/")?;
        Zone::named(name.strip_prefix("posix/").unwrap_or(name)).ok()
    }

    fn from_file(path: &Path, name: &str) -> Result<Zone, ZoneError> {
        let unreadable = |reason: String| ZoneError::Unreadable {
            path: path.display().to_string(),
            reason,
        };
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let rules = TimeZone::tzif(name, &bytes).map_err(|error| unreadable(error.to_string()))?;
        Ok(Zone::from_rules(name, rules))
    }

    fn unknown(name: &str) -> ZoneError {
        let candidates = jiff::tz::db()
            .available()
            .map(|zone| zone.as_str().to_owned());
        ZoneError::Unknown {
            name: name.to_owned(),
            nearest: nearest(name, candidates),
        }
    }

    fn cached(name: String, rules: TimeZone) -> Zone {
        let known = TABLES
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&name)
            .cloned();
        if let Some(zone) = known.filter(|zone| zone.inner.rules == rules) {
            return zone;
        }
        let zone = Zone::from_rules(&name, rules);
        TABLES
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, zone.clone());
        zone
    }

    fn from_rules(name: &str, rules: TimeZone) -> Zone {
        let table = {
            let changes = rules
                .following(Timestamp::MIN)
                .map(|change| (change.timestamp().as_second(), change.offset().seconds()))
                .take_while(|(at, _)| *at < TABLE_END);
            OffsetTable::new(rules.to_offset(Timestamp::MIN).seconds(), changes)
        };
        Zone {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                rules,
                table,
            }),
        }
    }

    /// Forgets what was read of tzdata, so that the next zone asked for is read anew.
    ///
    /// Zones already handed out keep their rules.
    pub fn reload() {
        jiff::tz::db().reset();
    }

    /// Returns the edition of the system's tzdata such as `2025b`, or `bundled` without one.
    pub fn edition() -> String {
        let first_line = |file: &str| {
            let text = std::fs::read_to_string(Path::new(TZDATA).join(file)).ok()?;
            let line = text.lines().next()?.trim();
            Some(line.strip_prefix("# version ").unwrap_or(line).to_owned())
        };
        first_line("+VERSION")
            .or_else(|| first_line("tzdata.zi"))
            .unwrap_or("bundled".to_owned())
    }

    /// Returns the name, as tzdata spells it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns the seconds east of UTC at an instant.
    pub fn offset_seconds_at(&self, at: UnixMs) -> i32 {
        self.inner.table.at(at.div_euclid(1000)).offset as i32
    }

    /// Returns what the wall clock shows at an instant.
    pub fn to_local(&self, at: UnixMs) -> Civil {
        let wall = at.div_euclid(1000) + i64::from(self.offset_seconds_at(at));
        Civil {
            millisecond: at.rem_euclid(1000) as u32,
            ..Civil::from_wall(wall)
        }
    }

    /// Returns the abbreviation in force at an instant, such as `CEST` or `+0530`.
    pub fn abbreviation_at(&self, at: UnixMs) -> String {
        let (first, last) = (
            Timestamp::MIN.as_millisecond(),
            Timestamp::MAX.as_millisecond(),
        );
        match Timestamp::from_millisecond(at.clamp(first, last)) {
            Ok(instant) => self
                .inner
                .rules
                .to_offset_info(instant)
                .abbreviation()
                .to_owned(),
            Err(_) => String::new(),
        }
    }

    /// Returns the instants at which the wall clock shows `civil`.
    pub fn resolve(&self, civil: Civil) -> Resolved {
        let milliseconds = i64::from(civil.millisecond);
        match self.resolve_wall(civil.to_wall()) {
            Resolved::Unambiguous(at) => Resolved::Unambiguous(at + milliseconds),
            Resolved::Fold { first, second } => Resolved::Fold {
                first: first + milliseconds,
                second: second + milliseconds,
            },
            gap => gap,
        }
    }

    pub(crate) fn resolve_wall(&self, wall: WallSecond) -> Resolved {
        // No offset is as large as a day and a half, so every candidate stretch lies in here.
        let table = &self.inner.table;
        let mut segment = table.at(wall - 129_600);
        let mut first = None;
        loop {
            let shown = (segment.wall_start()..segment.wall_end()).contains(&wall);
            let instant = (wall - segment.offset) * 1000;
            match first {
                None if shown => first = Some(instant),
                Some(first) if shown => {
                    return Resolved::Fold {
                        first,
                        second: instant,
                    };
                }
                _ => {}
            }
            let Some(next) = table
                .after(&segment)
                .filter(|next| next.start <= wall + 129_600)
            else {
                return Resolved::Unambiguous(first.unwrap_or(instant));
            };
            if first.is_none() && (segment.wall_end()..next.wall_start()).contains(&wall) {
                let shift_seconds = (next.offset - segment.offset) as i32;
                return Resolved::Gap {
                    at: next.start * 1000,
                    shift_seconds,
                };
            }
            segment = next;
        }
    }

    /// Returns the first change of offset strictly after an instant.
    pub fn next_transition(&self, after: UnixMs) -> Option<Transition> {
        let segment = self.inner.table.at(after.div_euclid(1000));
        let next = self.inner.table.after(&segment)?;
        Some(transition(&segment, &next))
    }

    /// Returns the last change of offset strictly before an instant.
    pub fn prev_transition(&self, before: UnixMs) -> Option<Transition> {
        let segment = self.inner.table.at((before - 1).div_euclid(1000));
        let prev = self.inner.table.before(&segment)?;
        Some(transition(&prev, &segment))
    }

    pub(crate) fn table(&self) -> &OffsetTable {
        &self.inner.table
    }
}

impl Default for Zone {
    fn default() -> Zone {
        Zone::utc()
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
            || (self.name() == other.name() && self.inner.table == other.inner.table)
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name()).finish()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn transition(before: &Segment, after: &Segment) -> Transition {
    Transition {
        at: after.start * 1000,
        before_seconds: before.offset as i32,
        after_seconds: after.offset as i32,
    }
}
