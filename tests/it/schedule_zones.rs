//! Time zones: what they answer and which names they take.

use crake::schedule::{Resolved, Zone};

use crate::schedule_text::{ms, shown, zone};

#[test]
fn schedule_zone_answers() {
    let new_york = zone("America/New_York");
    assert_eq!(new_york.abbreviation_at(ms("2026-07-01T00:00:00Z")), "EDT");
    assert_eq!(
        new_york.offset_seconds_at(ms("2026-01-01T00:00:00Z")),
        -18_000
    );
    let change = new_york.next_transition(ms("2026-07-01T00:00:00Z"));
    assert_eq!(
        change.map(|change| change.at),
        Some(ms("2026-11-01T06:00:00Z"))
    );
    let earlier = new_york.prev_transition(ms("2026-07-01T00:00:00Z"));
    assert_eq!(earlier.map(|change| change.after_seconds), Some(-14_400));
    let resolve = |text: &str| new_york.resolve(Zone::utc().to_local(ms(text)));
    let at = ms("2026-03-08T07:00:00Z");
    let gap = Resolved::Gap {
        at,
        shift_seconds: 3600,
    };
    assert_eq!(resolve("2026-03-08T02:30:00Z"), gap);
    let first = ms("2026-11-01T05:30:00Z");
    let fold = Resolved::Fold {
        first,
        second: first + 3_600_000,
    };
    assert_eq!(resolve("2026-11-01T01:30:00Z"), fold);
    let noon = Resolved::Unambiguous(ms("2026-07-01T16:00:00.250Z"));
    assert_eq!(resolve("2026-07-01T12:00:00.250Z"), noon);
    let apia = zone("Pacific/Apia").resolve(Zone::utc().to_local(ms("2011-12-30T12:00:00Z")));
    assert_eq!(
        apia,
        Resolved::Gap {
            at: ms("2011-12-30T10:00:00Z"),
            shift_seconds: 86_400
        }
    );
}

#[test]
fn schedule_zone_of_the_system() {
    let name = |tz: &str| Zone::system_from(Some(tz)).map(|zone| zone.name().to_owned());
    assert_eq!(name("Europe/Berlin"), Ok("Europe/Berlin".to_owned()));
    assert_eq!(name(":Europe/Berlin"), Ok("Europe/Berlin".to_owned()));
    assert_eq!(
        name("/usr/share/zoneinfo/Europe/Berlin"),
        Ok("Europe/Berlin".to_owned())
    );
    assert_eq!(name(""), Ok("UTC".to_owned()));
    assert!(name("Nowhere/Bad").is_err());
    assert!(name("/nowhere").is_err());
    let rule = "CET-1CEST,M3.5.0,M10.5.0/3";
    let posix = Zone::system_from(Some(rule)).map(|zone| shown(ms("2026-07-01T00:00:00Z"), &zone));
    assert_eq!(posix.as_deref(), Ok("2026-07-01T02:00:00+02:00"));
    assert!(Zone::system_from(None).is_ok());
}

#[test]
fn schedule_zone_files_replaced_are_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("Test")).expect("a directory");
    let file = dir.path().join("Test/Here");
    let put = |name: &str| {
        // As a package manager does it: a new file under the old name.
        let beside = dir.path().join("beside");
        let from = std::path::Path::new("/usr/share/zoneinfo").join(name);
        std::fs::copy(from, &beside).expect("a copy");
        std::fs::rename(&beside, &file).expect("a rename");
    };
    put("Europe/Berlin");
    let old = Zone::in_dir(dir.path(), "Test/Here").expect("a zone");
    assert!(!old.stale());
    put("America/New_York");
    assert!(old.stale());
    let at = ms("2026-01-01T00:00:00Z");
    assert_eq!(old.offset_seconds_at(at), 3_600);
    let new = Zone::in_dir(dir.path(), "Test/Here").expect("a zone");
    assert_eq!((new.offset_seconds_at(at), new.stale()), (-18_000, false));
    std::fs::remove_file(&file).expect("removed");
    assert!(new.stale());
    assert!(Zone::in_dir(dir.path(), "../etc").is_err());
    assert!(!zone("Europe/Berlin").stale() && !Zone::utc().stale());
    assert_eq!(Zone::edition_stamp(), Zone::edition_stamp());
}

/// Runs itself again under a `TZDIR` of its own, whose one zone file it replaces in between.
#[test]
fn schedule_zones_of_a_replaced_tzdata_are_read_anew() {
    const NAME: &str = "schedule_zones::schedule_zones_of_a_replaced_tzdata_are_read_anew";
    let system = std::path::Path::new("/usr/share/zoneinfo");
    let Some(dir) = std::env::var_os("CRAKE_TEST_TZDIR") else {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("Europe")).expect("a directory");
        let file = dir.path().join("Europe/Berlin");
        std::fs::copy(system.join("Europe/Berlin"), file).expect("a copy");
        let this = std::env::current_exe().expect("this program");
        let status = std::process::Command::new(this)
            .args(["--exact", NAME])
            .env("TZDIR", dir.path())
            .env("CRAKE_TEST_TZDIR", dir.path())
            .status();
        assert!(status.expect("a second run").success());
        return;
    };
    let at = ms("2026-01-01T00:00:00Z");
    let dir = std::path::Path::new(&dir);
    let (old, stamp) = (zone("Europe/Berlin"), Zone::edition_stamp());
    assert_eq!((old.offset_seconds_at(at), old.stale()), (3_600, false));
    std::fs::copy(system.join("Asia/Kolkata"), dir.join("beside")).expect("a copy");
    std::fs::rename(dir.join("beside"), dir.join("Europe/Berlin")).expect("a rename");
    std::fs::write(dir.join("+VERSION"), "2099z\n").expect("a version");
    assert!(old.stale() && Zone::edition_stamp() != stamp);
    let new = zone("Europe/Berlin");
    assert_eq!((new.offset_seconds_at(at), new.stale()), (19_800, false));
    assert_eq!(zone("europe/berlin").offset_seconds_at(at), 19_800);
    assert_eq!(Zone::edition(), "2099z");
}
