//! Numbers that are drawn once and then stand: `~` of cronie and `H` of Jenkins.

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
