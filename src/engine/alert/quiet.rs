//! Quiet hours: when they end.

use crate::model::Quiet;
use crate::schedule::{Civil, Resolved, UnixMs, Zone};

const DAY_S: i64 = 86_400;

/// When the quiet hours end that `now` lies in; nothing where it lies in none. Where the clock jumps
/// over the end, they end with the jump.
pub fn ends(quiet: &Quiet, zone: &Zone, now: UnixMs) -> Option<UnixMs> {
    let wall = zone.to_local(now).to_wall();
    let (midnight, second) = (wall - wall.rem_euclid(DAY_S), wall.rem_euclid(DAY_S));
    let (from, until) = (i64::from(quiet.from_s), i64::from(quiet.until_s));
    let inside = match from <= until {
        true => (from..until).contains(&second),
        false => second >= from || second < until,
    };
    if !inside {
        return None;
    }
    let day = if second < until { 0 } else { DAY_S };
    let end = Civil::from_wall(midnight + day + until);
    let at = match zone.resolve(end) {
        Resolved::Unambiguous(at) | Resolved::Gap { at, .. } => at,
        Resolved::Fold { first, second, .. } if first <= now => second,
        Resolved::Fold { first, .. } => first,
    };
    Some(at).filter(|at| *at > now)
}
