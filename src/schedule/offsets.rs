//! A zone as a row of stretches of time with one offset each.

use crate::schedule::civil::WallSecond;

/// The start of the first stretch; far from overflow when an offset is added.
const FAR_PAST: i64 = i64::MIN / 4;
/// The end of the last stretch.
const FAR_FUTURE: i64 = i64::MAX / 4;
/// Seconds in the 400 years after which the Gregorian calendar, weekdays included, repeats.
const CYCLE: i64 = 146_097 * 86_400;
/// 2500-01-01T00:00:00Z. From here on the table is read 400 years earlier: every zone follows its
/// closing rule by 2100 (the latest explicit table, Africa/Casablanca, ends in 2087).
const REPEATS_FROM: i64 = 16_725_225_600;
/// 2502-01-01T00:00:00Z: transitions up to here make the table whole.
pub const TABLE_END: i64 = REPEATS_FROM + 2 * 31_536_000;

/// A stretch of time in which the offset from UTC does not change. Times are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first second of the stretch.
    pub start: i64,
    /// The first second after it.
    pub end: i64,
    /// Seconds to add to UTC to get what the wall shows.
    pub offset: i64,
}

impl Segment {
    /// Returns what the wall shows at the first second of the stretch.
    pub fn wall_start(&self) -> WallSecond {
        self.start + self.offset
    }

    /// Returns what the wall would show at the end, had the offset not changed.
    pub fn wall_end(&self) -> WallSecond {
        self.end + self.offset
    }

    /// Says whether nothing comes before this stretch.
    pub fn is_first(&self) -> bool {
        self.start == FAR_PAST
    }

    /// Says whether nothing comes after this stretch.
    pub fn is_last(&self) -> bool {
        self.end == FAR_FUTURE
    }
}

/// All stretches of a zone, to the end of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetTable {
    starts: Box<[i64]>,
    offsets: Box<[i32]>,
}

impl OffsetTable {
    /// Makes a table of an opening offset and the changes after it, in order of time.
    ///
    /// A change is a Unix second and the offset from then on; one that changes nothing (a new
    /// abbreviation alone) is dropped.
    pub fn new(opening: i32, changes: impl Iterator<Item = (i64, i32)>) -> OffsetTable {
        let mut starts = vec![FAR_PAST];
        let mut offsets = vec![opening];
        let mut current = opening;
        for (at, offset) in changes {
            if offset != current {
                starts.push(at);
                offsets.push(offset);
                current = offset;
            }
        }
        OffsetTable {
            starts: starts.into_boxed_slice(),
            offsets: offsets.into_boxed_slice(),
        }
    }

    /// Returns the stretch that holds a Unix second.
    pub fn at(&self, second: i64) -> Segment {
        let changes_for_ever = self.starts.last().is_some_and(|last| *last >= REPEATS_FROM);
        if second < REPEATS_FROM || !changes_for_ever {
            return self.lookup(second);
        }
        let shift = ((second - REPEATS_FROM) / CYCLE + 1) * CYCLE;
        let segment = self.lookup(second - shift);
        Segment {
            start: segment.start + shift,
            end: segment.end + shift,
            ..segment
        }
    }

    /// Returns the stretch after this one, none after the last.
    pub fn after(&self, segment: &Segment) -> Option<Segment> {
        (!segment.is_last()).then(|| self.at(segment.end))
    }

    /// Returns the stretch before this one, none before the first.
    pub fn before(&self, segment: &Segment) -> Option<Segment> {
        (!segment.is_first()).then(|| self.at(segment.start - 1))
    }

    fn lookup(&self, second: i64) -> Segment {
        let next = self.starts.partition_point(|start| *start <= second).max(1);
        Segment {
            start: self.starts[next - 1],
            end: self.starts.get(next).copied().unwrap_or(FAR_FUTURE),
            offset: i64::from(self.offsets[next - 1]),
        }
    }
}
