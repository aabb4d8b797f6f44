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
