//! Time zones, read from the system's tzdata at run time with a bundled copy behind it.
//!
//! This is the only place that names jiff. A zone is read once into a table of offsets; all
//! further questions but abbreviations are answered from that table.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::schedule::UnixMs;
use crate::schedule::offsets::{OffsetTable, TABLE_END};
use crate::schedule::zone_file::{Stamp, combined, tzdata_dir};
use crate::schedule::zone_name::{is_plausible, nearest};

pub use crate::schedule::zone_name::ZoneError;

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
    /// The file the rules are to be found in, there or not, and what it was like before it was read.
    file: Option<(PathBuf, Option<Stamp>)>,
}

/// Tables already made, by canonical name. An entry whose file is no longer what it was is replaced,
/// so an update of tzdata is seen by the next `Zone::named`.
static TABLES: LazyLock<RwLock<BTreeMap<String, Zone>>> = LazyLock::new(RwLock::default);

static UTC: LazyLock<Zone> = LazyLock::new(|| Zone::from_rules("UTC", TimeZone::UTC, None));

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
        if let Some(known) = Zone::known(name) {
            if !known.stale() {
                return Ok(known);
            }
            // The database keeps what it read for minutes before it looks at the files again.
            Zone::reload();
        }
        // The stamp is taken first: a file replaced while it is read then counts as stale.
        let stamped = |name: &str| {
            let path = tzdata_dir().join(name);
            let stamp = Stamp::of(&path);
            (path, stamp)
        };
        let file = stamped(name);
        let rules = Zone::rules(name).ok_or_else(|| Zone::unknown(name))?;
        let Some(canonical) = rules.iana_name().filter(|canonical| *canonical != name) else {
            return Ok(Zone::remembered(Zone::from_rules(name, rules, Some(file))));
        };
        if let Some(known) = Zone::known(canonical).filter(|known| !known.stale()) {
            return Ok(known);
        }
        let file = stamped(canonical);
        let rules = Zone::rules(canonical).unwrap_or(rules.clone());
        Ok(Zone::remembered(Zone::from_rules(
            canonical,
            rules,
            Some(file),
        )))
    }

    /// Reads the zone of a name from a tree of zone files, such as another edition of tzdata.
    ///
    /// # Errors
    ///
    /// As [`Zone::named`], and a file that cannot be read. Nothing is bundled here.
    pub fn in_dir(dir: &Path, name: &str) -> Result<Zone, ZoneError> {
        if !is_plausible(name) {
            let name = name.to_owned();
            return Err(ZoneError::Malformed { name });
        }
        Zone::from_file(&dir.join(name), name)
    }

    /// Says whether the file of this zone has changed, appeared or gone since it was read.
    ///
    /// It costs one look at the directory. A zone asked for anew is then read anew; this one keeps
    /// its rules. A zone without a file, such as UTC or a POSIX rule, is never stale.
    pub fn stale(&self) -> bool {
        let file = self.inner.file.as_ref();
        file.is_some_and(|(path, stamp)| Stamp::of(path) != *stamp)
    }

    /// Returns a number that changes when tzdata is replaced or the host is given another zone.
    ///
    /// It is made of the version files of tzdata and of `/etc/localtime`, the link and what it
    /// leads to. One who keeps zones for long asks now and then, and looks at each with
    /// [`Zone::stale`] when the number is another.
    pub fn edition_stamp() -> u64 {
        combined(&[
            &tzdata_dir(),
            &tzdata_dir().join("+VERSION"),
            &tzdata_dir().join("tzdata.zi"),
            Path::new(LOCALTIME),
        ])
    }

    fn rules(name: &str) -> Option<TimeZone> {
        jiff::tz::db()
            .get(name)
            .or_else(|_| TimeZoneDatabase::bundled().get(name))
            .ok()
            .filter(|rules| !rules.is_unknown())
    }

    fn known(name: &str) -> Option<Zone> {
        let tables = TABLES.read().unwrap_or_else(PoisonError::into_inner);
        tables.get(name).cloned()
    }

    fn remembered(zone: Zone) -> Zone {
        TABLES
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(zone.name().to_owned(), zone.clone());
        zone
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
                Ok(Zone::from_rules(value, rules, None))
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
        let file = (path.to_owned(), Stamp::of(path));
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let rules = TimeZone::tzif(name, &bytes).map_err(|error| unreadable(error.to_string()))?;
        Ok(Zone::from_rules(name, rules, Some(file)))
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

    fn from_rules(name: &str, rules: TimeZone, file: Option<(PathBuf, Option<Stamp>)>) -> Zone {
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
                file,
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
            let text = std::fs::read_to_string(tzdata_dir().join(file)).ok()?;
            let line = text.lines().next()?.trim();
            Some(line.strip_prefix("# version ").unwrap_or(line).to_owned())
        };
        first_line("+VERSION")
            .or_else(|| first_line("tzdata.zi"))
            .unwrap_or("bundled".to_owned())
    }

    /// Says whether the system has tzdata; without it all zones are those bundled.
    pub fn system_has_tzdata() -> bool {
        let dir = tzdata_dir();
        dir.join("UTC").is_file() || dir.join("Etc/UTC").is_file()
    }

    /// Returns the name, as tzdata spells it.
    pub fn name(&self) -> &str {
        &self.inner.name
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
