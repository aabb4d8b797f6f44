//! Numbers that are drawn once and then stand: `~` of cronie, `H` of Jenkins, jitter.

use crate::schedule::UnixMs;
use crate::schedule::error::FieldName;

/// Returns a number from `low` to `high`, both included, that depends on nothing but its arguments.
///
/// `position` tells apart several draws within one field.
pub fn draw(seed: u64, field: FieldName, position: usize, low: u32, high: u32) -> u32 {
    let mixed = mix(mix(seed ^ (field as u64 + 1)) ^ position as u64);
    let span = u64::from(high.saturating_sub(low)) + 1;
    low + (mixed % span) as u32
}

/// SplitMix64 (Steele, Lea, Flood 2014): neighbouring seeds give unrelated numbers.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Returns the seed of a name, for `~`, `H` and jitter: the 64-bit FNV-1a hash of its UTF-8 bytes.
///
/// It is the same on every machine and in every version, so a job keeps its minute over reloads
/// and upgrades.
pub fn seed_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Returns by how many milliseconds a planned instant is to be late, from 0 to `max_ms` exclusive.
///
/// The same seed and instant always give the same number. With the next planned instant given, the
/// result stays strictly before it, so jitter never changes the order of fires.
pub fn jitter_ms(seed: u64, planned_at: UnixMs, max_ms: i64, next_at: Option<UnixMs>) -> i64 {
    let room = next_at.map_or(max_ms, |next| next.saturating_sub(planned_at).min(max_ms));
    if room <= 0 {
        return 0;
    }
    (mix(mix(seed) ^ planned_at as u64) % room as u64) as i64
}

/// Returns the delay of a job under `RANDOM_DELAY`, in minutes: 0 to `minutes`, both included.
///
/// As in cronie one factor, here that of the seed, scales every delay, so that all jobs of one
/// crontab keep their distances. cronie draws it anew at each start; a stored seed keeps it.
pub fn random_delay(seed: u64, minutes: u32) -> u32 {
    let factor = mix(seed) >> 32;
    (((u64::from(minutes) + 1) * factor) >> 32) as u32
}
